-- A value of an enum cannot be dropped, so the types are replaced. Runs that predict are deleted; their child runs stay, without a parent.
UPDATE training_runs SET parent_run_id = NULL WHERE parent_run_id IN (SELECT id FROM training_runs WHERE kind = 'predict');
DELETE FROM idempotency_keys WHERE run_id IN (SELECT id FROM training_runs WHERE kind = 'predict');
DELETE FROM training_runs WHERE kind = 'predict';
ALTER TYPE run_kind RENAME TO run_kind_with_predict;
CREATE TYPE run_kind AS ENUM ('linear', 'sentence-transformer', 'field-classifier', 'auto', 'evaluate', 'sweep');
ALTER TABLE training_runs ALTER COLUMN kind TYPE run_kind USING kind::text::run_kind;
ALTER TABLE workers ALTER COLUMN kinds DROP DEFAULT;
ALTER TABLE workers ALTER COLUMN kinds TYPE run_kind[] USING array_remove(kinds::text[], 'predict')::run_kind[];
ALTER TABLE workers ALTER COLUMN kinds SET DEFAULT '{}';
DROP TYPE run_kind_with_predict;
ALTER TYPE run_phase RENAME TO run_phase_with_predict;
CREATE TYPE run_phase AS ENUM ('dataset', 'train', 'evaluate', 'upload', 'publish');
ALTER TABLE training_runs ALTER COLUMN phase TYPE run_phase USING phase::text::run_phase;
DROP TYPE run_phase_with_predict;
