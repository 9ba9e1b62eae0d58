DROP INDEX imports_retry_of;
ALTER TABLE imports DROP COLUMN retry_of;
ALTER TABLE workers DROP COLUMN base_models, DROP COLUMN scratch_free_bytes;
ALTER TABLE audit_log DROP COLUMN key_id;
DROP INDEX api_keys_active_name;
