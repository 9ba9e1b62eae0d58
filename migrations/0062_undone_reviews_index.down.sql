-- no-transaction
DROP INDEX CONCURRENTLY annotations_undone;
