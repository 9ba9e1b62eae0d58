-- Who may do what, and who did what.

CREATE TYPE role AS ENUM ('viewer', 'reviewer', 'operator', 'admin');

CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    role         role NOT NULL,
    key_sha256   text NOT NULL UNIQUE CHECK (key_sha256 ~ '^[0-9a-f]{64}$'),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text NOT NULL,
    revoked_at   timestamptz
);
COMMENT ON TABLE api_keys IS 'API keys; only the hash is kept. A key is 256 random bits, so a plain SHA-256 is enough';
COMMENT ON COLUMN api_keys.role IS 'Each role may do all that the ones before it may';

CREATE TABLE idempotency_keys (
    actor       text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    body_sha256 text NOT NULL,
    run_id      uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (actor, key)
);
COMMENT ON TABLE idempotency_keys IS 'Idempotency-Key of a request that created a run: the same key and body give the same run';

CREATE TABLE audit_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE audit_log IS 'Every change made through the API or the command line, with its actor';
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
