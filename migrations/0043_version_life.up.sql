-- The life of a version after its publication: its files are deleted, its training is repeated to verify it.

ALTER TABLE model_versions
    ADD COLUMN files_deleted_at     timestamptz,
    ADD COLUMN files_deleted_by     text,
    ADD COLUMN files_deleted_reason text CHECK (length(files_deleted_reason) BETWEEN 1 AND 2000),
    ADD COLUMN verified_at          timestamptz,
    ADD COLUMN verified_run_id      uuid REFERENCES training_runs,
    ADD COLUMN verification         jsonb,
    ADD CONSTRAINT a_deletion_of_files_has_an_actor_and_a_reason
        CHECK ((files_deleted_at IS NULL) = (files_deleted_by IS NULL) AND (files_deleted_at IS NULL) = (files_deleted_reason IS NULL)),
    ADD CONSTRAINT only_a_retired_version_loses_its_files CHECK (files_deleted_at IS NULL OR retired_at IS NOT NULL),
    ADD CONSTRAINT a_verification_has_a_run_and_a_result
        CHECK ((verified_at IS NULL) = (verified_run_id IS NULL) AND (verified_at IS NULL) = (verification IS NULL)),
    ADD CONSTRAINT a_verification_has_a_known_result CHECK (verification ->> 'result' IN ('identical', 'different', 'not_comparable'));
COMMENT ON COLUMN model_versions.files_deleted_at IS 'Since then its files are not in S3; row, hashes, metrics and history stay';
COMMENT ON COLUMN model_versions.verification IS 'Result of the latest run that trained the version again: {"result","files","reasons"}';

ALTER TABLE training_runs ADD COLUMN verifies_version_id uuid REFERENCES model_versions;
COMMENT ON COLUMN training_runs.verifies_version_id IS 'The run trains this version again and compares the files; it publishes nothing';
CREATE INDEX training_runs_verifies ON training_runs (verifies_version_id) WHERE verifies_version_id IS NOT NULL;
