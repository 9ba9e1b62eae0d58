DROP INDEX training_runs_unclaimed;
DROP INDEX training_runs_claim;
CREATE INDEX training_runs_claim ON training_runs (priority DESC, created_at, id) WHERE status IN ('queued', 'retrying');
