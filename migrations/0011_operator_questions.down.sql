DROP INDEX audit_log_subject;
DROP INDEX attempts_finished;
DROP INDEX training_runs_due;
DROP INDEX training_runs_status;
