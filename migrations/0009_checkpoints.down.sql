ALTER TABLE objects DROP COLUMN upload_id;
DROP TABLE checkpoints;
ALTER TABLE attempts DROP COLUMN resumed_from_step;
