-- what has an end must not become endless
UPDATE api_keys SET revoked_at = clock_timestamp() WHERE expires_at IS NOT NULL AND revoked_at IS NULL;
ALTER TABLE api_keys DROP COLUMN expires_at;
