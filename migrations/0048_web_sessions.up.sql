-- Sessions of the web interface: a browser signs in with an API key and sends a cookie from then on.
CREATE TABLE web_sessions (
    id           uuid PRIMARY KEY,
    token_sha256 text NOT NULL UNIQUE CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
    key_id       uuid NOT NULL REFERENCES api_keys,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    user_agent   text CHECK (length(user_agent) <= 200),
    address      text CHECK (length(address) <= 64),
    CONSTRAINT a_session_ends_after_its_start CHECK (expires_at > created_at)
);
COMMENT ON TABLE web_sessions IS 'A signed-in browser. It has the rights of its API key as long as that key is valid; the row is deleted when the session ends';
COMMENT ON COLUMN web_sessions.token_sha256 IS 'SHA-256 of the value of the cookie, which is stored nowhere';
COMMENT ON COLUMN web_sessions.last_used_at IS 'Written once a minute at most; the idle expiry counts from it';
COMMENT ON COLUMN web_sessions.expires_at IS 'Absolute expiry, whatever the use';
COMMENT ON COLUMN web_sessions.user_agent IS 'Beginning of the header User-Agent at sign-in';
COMMENT ON COLUMN web_sessions.address IS 'Address of the client at sign-in';
CREATE INDEX web_sessions_key ON web_sessions (key_id, created_at);
