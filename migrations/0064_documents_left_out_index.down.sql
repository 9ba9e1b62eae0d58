-- no-transaction
DROP INDEX CONCURRENTLY documents_left_out;
