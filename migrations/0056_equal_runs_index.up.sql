-- no-transaction
CREATE INDEX CONCURRENTLY training_runs_equal ON training_runs (spec_sha256) WHERE status IN ('queued', 'retrying', 'running');
