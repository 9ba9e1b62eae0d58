ALTER TABLE training_runs DROP COLUMN awaited_dataset_key;
DROP TABLE dataset_builds;
