ALTER TABLE model_versions DROP COLUMN note, DROP COLUMN tags;
ALTER TABLE training_runs DROP COLUMN note, DROP COLUMN tags;
DROP TABLE run_errors;
