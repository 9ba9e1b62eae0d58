-- A value of an enum cannot be dropped, so the type is replaced. Sweeps are deleted; the runs that they created stay, without their parent.
UPDATE training_runs SET parent_run_id = NULL WHERE parent_run_id IN (SELECT id FROM training_runs WHERE kind = 'sweep');
DELETE FROM idempotency_keys WHERE run_id IN (SELECT id FROM training_runs WHERE kind = 'sweep');
DELETE FROM training_runs WHERE kind = 'sweep';
ALTER TYPE run_kind RENAME TO run_kind_with_sweep;
CREATE TYPE run_kind AS ENUM ('linear', 'sentence-transformer', 'field-classifier', 'auto', 'evaluate');
ALTER TABLE training_runs ALTER COLUMN kind TYPE run_kind USING kind::text::run_kind;
ALTER TABLE workers ALTER COLUMN kinds DROP DEFAULT;
ALTER TABLE workers ALTER COLUMN kinds TYPE run_kind[] USING array_remove(kinds::text[], 'sweep')::run_kind[];
ALTER TABLE workers ALTER COLUMN kinds SET DEFAULT '{}';
DROP TYPE run_kind_with_sweep;
