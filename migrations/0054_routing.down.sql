ALTER TABLE training_runs DROP COLUMN spec_sha256, DROP COLUMN queue, DROP COLUMN requires;
ALTER TABLE workers DROP COLUMN labels;
DROP TABLE queues;
