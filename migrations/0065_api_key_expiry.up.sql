-- API keys end by themselves. A key that has expired is refused; its name is free again when it is revoked.
ALTER TABLE api_keys
    ADD COLUMN expires_at timestamptz CHECK (expires_at > created_at);
COMMENT ON COLUMN api_keys.expires_at IS 'When the key ends; NULL = it does not';
