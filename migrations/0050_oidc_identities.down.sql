DROP TABLE used_sign_ins;
ALTER TABLE api_keys DROP CONSTRAINT a_key_has_a_secret_or_an_identity;
-- the audit log references identities, so they stay as revoked keys with a hash that no secret has
UPDATE api_keys
SET key_sha256 = encode(sha256(convert_to('identity ' || id::text || gen_random_uuid()::text, 'UTF8')), 'hex'),
    revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE key_sha256 IS NULL;
COMMENT ON TABLE api_keys IS 'API keys; only the hash is kept. A key is 256 random bits, so a plain SHA-256 is enough';
COMMENT ON COLUMN api_keys.role IS 'Each role may do all that the ones before it may';
DROP INDEX api_keys_identity;
ALTER TABLE api_keys
    DROP COLUMN issuer,
    DROP COLUMN subject,
    DROP COLUMN email,
    ALTER COLUMN key_sha256 SET NOT NULL;
