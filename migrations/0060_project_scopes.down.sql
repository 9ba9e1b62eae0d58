DROP FUNCTION run_in_scope(jsonb, text[]);
DROP FUNCTION model_in_scope(text, text[]);
DROP FUNCTION spec_in_scope(jsonb, text[]);
DROP FUNCTION projects_of_spec(jsonb);

-- without the column they would be for all projects
UPDATE api_keys SET revoked_at = clock_timestamp() WHERE projects IS NOT NULL AND revoked_at IS NULL;
ALTER TABLE api_keys DROP COLUMN projects;
