DROP FUNCTION run_in_scope(jsonb, text[]);
DROP FUNCTION model_in_scope(text, text[]);
DROP FUNCTION spec_in_scope(jsonb, text[]);
DROP FUNCTION projects_of_spec(jsonb);
ALTER TABLE api_keys DROP COLUMN projects;
