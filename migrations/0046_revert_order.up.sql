-- no-transaction
-- The order in which a revert takes its documents: without it every batch of a large revert sorts all documents that are left.
-- An interrupted build leaves an invalid index: drop it, then migrate again.
CREATE INDEX CONCURRENTLY import_revert_documents_order ON import_revert_documents (import_id, stage, document_id);
