-- no-transaction
DROP INDEX CONCURRENTLY training_runs_equal;
