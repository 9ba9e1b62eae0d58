-- One rule for comparing values: canonical equivalents (NFC and NFD) and runs of white space do not distinguish two values. The code has the
-- same rule (`comparison` in annotation-types); it stores new values composed.

CREATE FUNCTION comparable_value(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT btrim(regexp_replace(
        normalize(value, NFC), '[\u0009-\u000D\u0020\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+', ' ', 'g'
    ), ' ')
$$;
COMMENT ON FUNCTION comparable_value IS 'The form in which values are compared: composed, with single spaces, without white space at its ends';

CREATE FUNCTION comparable_values(value text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT ARRAY(SELECT DISTINCT comparable_value(v.value) COLLATE "C" FROM unnest($1) AS v (value) ORDER BY 1)
$$;
COMMENT ON FUNCTION comparable_values IS 'The form in which lists of values are compared: a sorted set of comparable values';

-- the reviews whose prediction was equal but for its form; their events keep the status that was recorded
UPDATE annotations
SET review_status = 'OK', predicted_value = accepted_value, version = version + 1, updated_at = clock_timestamp()
WHERE review_status = 'CORRECTED' AND comparable_values(predicted_value) = comparable_values(accepted_value);
