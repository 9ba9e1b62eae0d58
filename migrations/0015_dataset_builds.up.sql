-- A snapshot is built once for all runs that ask for it.

CREATE TABLE dataset_builds (
    key            text PRIMARY KEY CHECK (key ~ '^[0-9a-f]{64}$'),
    run_id         uuid NOT NULL,
    attempt_number int NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (run_id, attempt_number) REFERENCES attempts (run_id, number) ON DELETE CASCADE
);
COMMENT ON TABLE dataset_builds IS 'Who builds the snapshot of a key. It holds as long as the attempt is running with a lease that has not expired: no lease of its own to renew';

ALTER TABLE training_runs ADD COLUMN awaited_dataset_key text;
COMMENT ON COLUMN training_runs.awaited_dataset_key IS 'Set while the run waits for a snapshot that another run builds; it holds no slot meanwhile';
CREATE INDEX training_runs_awaiting ON training_runs (awaited_dataset_key) WHERE awaited_dataset_key IS NOT NULL;
