ALTER TABLE training_runs DROP COLUMN scheduled_for;
