-- no-transaction
-- Archived and withdrawn documents, which that number leaves out.
CREATE INDEX CONCURRENTLY documents_left_out ON documents (id) WHERE coalesce(archived_at, withdrawn_at) IS NOT NULL;
