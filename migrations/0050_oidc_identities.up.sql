-- People who sign in with OpenID Connect: an identity is a row of api_keys without a secret, so everything that names a key can name them.
ALTER TABLE api_keys
    ALTER COLUMN key_sha256 DROP NOT NULL,
    ADD COLUMN issuer  text CHECK (length(issuer) BETWEEN 1 AND 500),
    ADD COLUMN subject text CHECK (length(subject) BETWEEN 1 AND 255),
    ADD COLUMN email   text CHECK (length(email) BETWEEN 1 AND 320);
-- a table of a few rows: checking them takes milliseconds
ALTER TABLE api_keys
    ADD CONSTRAINT a_key_has_a_secret_or_an_identity
        CHECK ((key_sha256 IS NULL) = (issuer IS NOT NULL) AND (issuer IS NULL) = (subject IS NULL) AND (email IS NULL OR issuer IS NOT NULL));
CREATE UNIQUE INDEX api_keys_identity ON api_keys (issuer, subject) WHERE issuer IS NOT NULL;
COMMENT ON TABLE api_keys IS 'API keys, of which only the hash is kept (256 random bits, so a plain SHA-256 is enough), and identities of an OpenID Connect provider';
COMMENT ON COLUMN api_keys.role IS 'Each role may do all that the ones before it may; of an identity, the role at its last sign-in';
COMMENT ON COLUMN api_keys.issuer IS 'Provider of an identity; null for an API key';
COMMENT ON COLUMN api_keys.subject IS 'What the provider calls the identity, forever; null for an API key';
COMMENT ON COLUMN api_keys.email IS 'Address at the last sign-in, unless the provider says that it is not verified';

CREATE TABLE used_sign_ins (
    flow_sha256 text PRIMARY KEY CHECK (flow_sha256 ~ '^[0-9a-f]{64}$'),
    expires_at  timestamptz NOT NULL
);
COMMENT ON TABLE used_sign_ins IS 'Sign-ins with a provider that have created a session, so that none of them creates a second one';
COMMENT ON COLUMN used_sign_ins.flow_sha256 IS 'SHA-256 of the cookie of the sign-in';
COMMENT ON COLUMN used_sign_ins.expires_at IS 'When the cookie has expired by its content, so that the row is not needed any more';
