-- no-transaction
DROP INDEX CONCURRENTLY annotations_reviewed;
