ALTER TABLE training_runs DROP COLUMN trace_state;
