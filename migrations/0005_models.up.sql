-- What runs leave behind: objects in S3, model versions, numbers.

CREATE TYPE object_state AS ENUM ('pending', 'live', 'deleting');

CREATE TABLE objects (
    key            text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 1024),
    state          object_state NOT NULL DEFAULT 'pending',
    run_id         uuid REFERENCES training_runs,
    attempt_number int,
    dataset_id     uuid REFERENCES datasets,
    sha256         text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    bytes          bigint CHECK (bytes >= 0),
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    live_at        timestamptz,
    CONSTRAINT live_objects_are_known CHECK (state <> 'live' OR (sha256 IS NOT NULL AND bytes IS NOT NULL AND live_at IS NOT NULL))
);
COMMENT ON TABLE objects IS 'Every object in S3; its row is written before its first byte';
COMMENT ON COLUMN objects.state IS 'pending = may exist, belongs to nothing yet; live = part of a dataset or model version; deleting = being swept';
CREATE INDEX objects_pending ON objects (created_at) WHERE state <> 'live';

CREATE TABLE models (
    name        text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    last_number int NOT NULL DEFAULT 0 CHECK (last_number >= 0),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE models IS 'A model name. Publishing locks its row, so that versions are numbered in order';

CREATE TABLE model_versions (
    id              uuid PRIMARY KEY,
    model           text NOT NULL REFERENCES models,
    number          int NOT NULL CHECK (number >= 1),
    run_id          uuid NOT NULL UNIQUE REFERENCES training_runs,
    attempt_number  int NOT NULL,
    dataset_id      uuid NOT NULL REFERENCES datasets,
    object_prefix   text NOT NULL,
    manifest_sha256 text NOT NULL CHECK (manifest_sha256 ~ '^[0-9a-f]{64}$'),
    files           jsonb NOT NULL,
    card            jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (model, number),
    FOREIGN KEY (run_id, attempt_number) REFERENCES attempts (run_id, number)
);
COMMENT ON TABLE model_versions IS 'A published version; exactly one per succeeded training run (run_id is unique)';
COMMENT ON COLUMN model_versions.files IS '[{"path","bytes","sha256"}] under object_prefix, the manifest apart';
COMMENT ON COLUMN model_versions.card IS 'What the model is: kind, fields, labels, headline numbers, dataset';

CREATE TABLE metrics (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id           uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    attempt_number   int NOT NULL,
    model_version_id uuid REFERENCES model_versions,
    split            text NOT NULL CHECK (split IN ('train', 'validation', 'test', 'reviewed')),
    field            text,
    name             text NOT NULL,
    value            double precision,
    step             bigint NOT NULL DEFAULT 0,
    details          jsonb,
    recorded_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT metric_says_something CHECK (value IS NOT NULL OR details IS NOT NULL)
);
COMMENT ON TABLE metrics IS 'A number of a run, written only by the attempt that finished it';
COMMENT ON COLUMN metrics.split IS 'train, validation, test; reviewed = stored predictions against all reviewed values';
COMMENT ON COLUMN metrics.field IS 'NULL = over all fields';
COMMENT ON COLUMN metrics.details IS 'Confusion, per-class report, curves; NULL value with details = undefined (for example accuracy of nothing)';
CREATE INDEX metrics_run ON metrics (run_id, attempt_number);
