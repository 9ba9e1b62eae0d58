DROP INDEX training_runs_verifies;
ALTER TABLE training_runs DROP COLUMN verifies_version_id;
ALTER TABLE model_versions
    DROP CONSTRAINT a_verification_has_a_known_result,
    DROP CONSTRAINT a_verification_has_a_run_and_a_result,
    DROP CONSTRAINT only_a_retired_version_loses_its_files,
    DROP CONSTRAINT a_deletion_of_files_has_an_actor_and_a_reason,
    DROP COLUMN verification,
    DROP COLUMN verified_run_id,
    DROP COLUMN verified_at,
    DROP COLUMN files_deleted_reason,
    DROP COLUMN files_deleted_by,
    DROP COLUMN files_deleted_at;
