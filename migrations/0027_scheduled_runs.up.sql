-- The start time that was requested for a run. `run_after` also postpones retries, and the spec is a text of the client that a query must
-- not cast. NULL: as soon as possible.
ALTER TABLE training_runs ADD COLUMN scheduled_for timestamptz;
COMMENT ON COLUMN training_runs.scheduled_for IS 'Requested earliest start (run_after of the spec); NULL = as soon as possible';

UPDATE training_runs SET scheduled_for = run_after WHERE status = 'queued' AND attempt_number = 0 AND run_after > created_at;

-- Cancelled runs kept their wake-ups until they were due.
DELETE FROM outbox o USING training_runs r WHERE r.id = o.run_id AND r.status NOT IN ('queued', 'retrying');
