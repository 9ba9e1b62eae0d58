-- Questions of operators are answered from indexes, however many runs wait or have ended.
CREATE INDEX training_runs_status ON training_runs (status, finished_at);
COMMENT ON INDEX training_runs_status IS 'Counts by status, bulk retry, runs that ended lately; equal entries are stored once, so it stays small';
CREATE INDEX training_runs_due ON training_runs (run_after) WHERE status IN ('queued', 'retrying');
COMMENT ON INDEX training_runs_due IS 'Since when the oldest run could be claimed, and which runs may not start yet';
CREATE INDEX attempts_finished ON attempts (finished_at) WHERE finished_at IS NOT NULL;
COMMENT ON INDEX attempts_finished IS 'Outcomes of the last hour';
CREATE INDEX audit_log_subject ON audit_log (subject, id);
COMMENT ON INDEX audit_log_subject IS 'What was done to one thing';
