-- An announcement knows by itself when it is due, so that the relay finds the next ones by an index, however many runs wait.
ALTER TABLE outbox ADD COLUMN due_at timestamptz NOT NULL DEFAULT clock_timestamp();
UPDATE outbox o SET due_at = r.run_after FROM training_runs r WHERE r.id = o.run_id AND r.run_after > clock_timestamp();
COMMENT ON COLUMN outbox.due_at IS 'Not announced before this time: run_after of the run when the row was written';
CREATE INDEX outbox_due ON outbox (due_at, id);
CREATE INDEX outbox_run ON outbox (run_id);
