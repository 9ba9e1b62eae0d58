-- Keys and identities that are limited to projects, and what is in the scope of projects. Sessions have the projects of their key.
ALTER TABLE api_keys
    ADD COLUMN projects text[] CHECK (array_position(projects, NULL) IS NULL AND cardinality(projects) <= 1000);
COMMENT ON COLUMN api_keys.projects IS 'Projects that the key is limited to; NULL = all projects, empty = none';

CREATE FUNCTION projects_of_spec(spec jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN spec ->> 'kind' = 'predict' THEN CASE
            WHEN jsonb_typeof(spec #> '{params,projects}') = 'array' AND spec #> '{params,projects}' <> '[]'
                THEN ARRAY(SELECT jsonb_array_elements_text(spec #> '{params,projects}'))
        END
        WHEN spec #>> '{data,filter,project}' IS NOT NULL THEN ARRAY[spec #>> '{data,filter,project}']
    END
$$;
COMMENT ON FUNCTION projects_of_spec(jsonb) IS 'The projects whose documents a run reads; NULL = all projects';

CREATE FUNCTION spec_in_scope(spec jsonb, scope text[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(projects_of_spec(spec) <@ scope, false) AND CASE
        WHEN spec ->> 'base_model' LIKE 'models:/%' THEN NOT EXISTS (
            SELECT FROM model_versions v
            JOIN training_runs r ON r.id = v.run_id
            WHERE v.model = split_part(spec ->> 'base_model', '/', 2) AND NOT coalesce(projects_of_spec(r.spec) <@ scope, false)
        )
        -- a location in the bucket or on a host could be that of any model
        ELSE coalesce(spec ->> 'base_model' !~ '^(s3:/)?/', true)
    END
$$;
COMMENT ON FUNCTION spec_in_scope(jsonb, text[]) IS
    'Whether a run reads documents of the projects only, and so did the runs that trained its base model';

CREATE FUNCTION model_in_scope(name text, scope text[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT scope IS NULL OR NOT EXISTS (
        SELECT FROM model_versions v
        JOIN training_runs r ON r.id = v.run_id
        WHERE v.model = name AND NOT spec_in_scope(r.spec, scope)
    )
$$;
COMMENT ON FUNCTION model_in_scope(text, text[]) IS 'Whether all versions of the model are in the scope of the projects; scope NULL = all projects';

CREATE FUNCTION run_in_scope(spec jsonb, scope text[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT scope IS NULL OR (spec_in_scope(spec, scope) AND model_in_scope(spec ->> 'model', scope))
$$;
COMMENT ON FUNCTION run_in_scope(jsonb, text[]) IS 'Whether a run and all versions of its model are in the scope of the projects; scope NULL = all projects';
