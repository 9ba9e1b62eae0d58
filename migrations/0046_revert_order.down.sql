DROP INDEX IF EXISTS import_revert_documents_order;
