-- no-transaction
CREATE INDEX CONCURRENTLY training_runs_lane ON training_runs (queue, requires, priority DESC, created_at, id, run_after) WHERE status IN ('queued', 'retrying');
