-- Active API keys have different names, the audit log names the key, workers report their disk and base models, and an import names the
-- one whose quarantined tasks it retried.

-- the oldest key of a name keeps it; the others get the end of their id, which is random and stays the same
UPDATE api_keys k
SET name = left(k.name, 85) || ' ' || right(k.id::text, 12)
WHERE k.revoked_at IS NULL
    AND EXISTS (
        SELECT FROM api_keys older
        WHERE older.name = k.name AND older.revoked_at IS NULL AND (older.created_at, older.id) < (k.created_at, k.id)
    );

-- a table of a few keys: building the index takes milliseconds
CREATE UNIQUE INDEX api_keys_active_name ON api_keys (name) WHERE revoked_at IS NULL;

ALTER TABLE audit_log ADD COLUMN key_id uuid REFERENCES api_keys;
COMMENT ON COLUMN audit_log.key_id IS 'The active API key that had the name of the actor; null for the command line, and for older entries';

ALTER TABLE workers
    ADD COLUMN scratch_free_bytes bigint CHECK (scratch_free_bytes >= 0),
    ADD COLUMN base_models text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN workers.scratch_free_bytes IS 'Free space of the file system of its scratch folder at the last heartbeat; null = unknown';
COMMENT ON COLUMN workers.base_models IS 'Base models on its host at the last heartbeat, by name';

ALTER TABLE imports ADD COLUMN retry_of uuid REFERENCES imports ON DELETE SET NULL;
COMMENT ON COLUMN imports.retry_of IS 'The import whose quarantined tasks were imported again; null = a file of a client';

-- nearly all rows are null, and imports are rare: building the index takes milliseconds
CREATE INDEX imports_retry_of ON imports (retry_of) WHERE retry_of IS NOT NULL;
