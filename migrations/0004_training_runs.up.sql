-- Runs, their attempts, their announcements. Postgres is the truth: Redis only wakes workers.

CREATE TYPE run_kind AS ENUM ('linear', 'sentence-transformer', 'field-classifier', 'auto', 'evaluate');
CREATE TYPE run_status AS ENUM ('queued', 'running', 'retrying', 'cancelling', 'succeeded', 'failed', 'cancelled');
CREATE TYPE run_phase AS ENUM ('dataset', 'train', 'evaluate', 'upload', 'publish');
CREATE TYPE attempt_status AS ENUM ('running', 'succeeded', 'failed', 'cancelled', 'released', 'lost');
CREATE TYPE run_event_kind AS ENUM ('state', 'phase', 'metric', 'log', 'checkpoint', 'end');

CREATE TABLE workers (
    id           uuid PRIMARY KEY,
    host         text NOT NULL,
    version      text NOT NULL,
    slots        int NOT NULL CHECK (slots >= 1),
    backend      text NOT NULL,
    cpu_kernel   text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stopped_at   timestamptz
);
COMMENT ON TABLE workers IS 'A worker process, one row per boot';
COMMENT ON COLUMN workers.slots IS 'How many runs it trains at once';
COMMENT ON COLUMN workers.cpu_kernel IS 'Vector instructions its arithmetic uses: avx512, avx2 or scalar';

CREATE TABLE datasets (
    id              uuid PRIMARY KEY,
    key             text NOT NULL UNIQUE CHECK (key ~ '^[0-9a-f]{64}$'),
    selection       jsonb NOT NULL,
    builder_version int NOT NULL,
    position        bigint NOT NULL,
    canonical_hash  text NOT NULL CHECK (canonical_hash ~ '^[0-9a-f]{64}$'),
    examples        bigint NOT NULL CHECK (examples >= 0),
    counts          jsonb NOT NULL,
    object_prefix   text NOT NULL,
    files           jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE datasets IS 'An immutable dataset snapshot; equal keys mean equal snapshots, built once';
COMMENT ON COLUMN datasets.key IS 'SHA-256 of selection, builder version and the last position that matters';
COMMENT ON COLUMN datasets.canonical_hash IS 'SHA-256 over the canonical rows; survives a change of the Parquet writer';
COMMENT ON COLUMN datasets.counts IS 'Per split and per field and label; excluded labels and fields with the reason';
COMMENT ON COLUMN datasets.files IS '[{"path","bytes","sha256"}] under object_prefix';

CREATE TABLE training_runs (
    id                  uuid PRIMARY KEY,
    kind                run_kind NOT NULL,
    model               text NOT NULL CHECK (model ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    spec                jsonb NOT NULL,
    position            bigint NOT NULL,
    status              run_status NOT NULL DEFAULT 'queued',
    phase               run_phase,
    progress            jsonb,
    priority            int NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
    run_after           timestamptz NOT NULL DEFAULT clock_timestamp(),
    max_attempts        int NOT NULL DEFAULT 3 CHECK (max_attempts BETWEEN 1 AND 20),
    attempts_used       int NOT NULL DEFAULT 0 CHECK (attempts_used >= 0),
    attempt_number      int NOT NULL DEFAULT 0 CHECK (attempt_number >= 0),
    first_attempt       int NOT NULL DEFAULT 1 CHECK (first_attempt >= 1),
    cancel_requested_at timestamptz,
    dataset_id          uuid REFERENCES datasets,
    dataset_only        boolean NOT NULL DEFAULT false,
    error_code          text,
    error_text          text,
    created_by          text NOT NULL,
    parent_run_id       uuid REFERENCES training_runs,
    trace_parent        text,
    last_event_sequence bigint NOT NULL DEFAULT 0,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    announced_at        timestamptz,
    started_at          timestamptz,
    finished_at         timestamptz,
    CONSTRAINT final_states_have_a_time CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT failed_has_a_code CHECK (status <> 'failed' OR (error_code IS NOT NULL AND error_text IS NOT NULL)),
    CONSTRAINT running_has_an_attempt CHECK (status NOT IN ('running', 'succeeded') OR attempt_number >= 1),
    CONSTRAINT cancelling_was_asked CHECK (status NOT IN ('cancelling', 'cancelled') OR cancel_requested_at IS NOT NULL),
    CONSTRAINT attempts_used_at_most_started CHECK (attempts_used <= attempt_number)
);
COMMENT ON TABLE training_runs IS 'One request to train one model by one spec';
COMMENT ON COLUMN training_runs.spec IS 'Immutable run spec: data selection, model, parameters, seed';
COMMENT ON COLUMN training_runs.position IS 'as_of resolved when the run was created: only what has position <= this is read';
COMMENT ON COLUMN training_runs.attempt_number IS 'Number of the newest attempt; every write of a worker names it';
COMMENT ON COLUMN training_runs.first_attempt IS 'Number of the first attempt since the run was last retried by hand; what happened before no longer counts';
COMMENT ON COLUMN training_runs.attempts_used IS 'Attempts that count against max_attempts (released ones do not)';
COMMENT ON COLUMN training_runs.dataset_only IS 'The run ends after the phase dataset (the plan''s ingest)';
COMMENT ON COLUMN training_runs.announced_at IS 'When the relay last put the run into Redis';
CREATE INDEX training_runs_claim ON training_runs (priority DESC, created_at, id) WHERE status IN ('queued', 'retrying');
CREATE INDEX training_runs_newest ON training_runs (created_at DESC, id DESC);

CREATE TABLE training_run_documents (
    run_id      uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    document_id uuid NOT NULL REFERENCES documents ON DELETE RESTRICT,
    PRIMARY KEY (run_id, document_id)
);
COMMENT ON TABLE training_run_documents IS 'The chosen subset of documents of a run; no rows = all documents';

CREATE TABLE attempts (
    run_id           uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    number           int NOT NULL CHECK (number >= 1),
    worker_id        uuid NOT NULL REFERENCES workers,
    status           attempt_status NOT NULL DEFAULT 'running',
    lease_expires_at timestamptz NOT NULL,
    heartbeat_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at      timestamptz,
    error_code       text,
    error_text       text,
    PRIMARY KEY (run_id, number),
    CONSTRAINT ended_attempts_have_a_time CHECK ((status = 'running') = (finished_at IS NULL))
);
COMMENT ON TABLE attempts IS 'One execution of a run by one worker';
COMMENT ON COLUMN attempts.lease_expires_at IS 'Until when the worker owns the run, by the database clock';
CREATE UNIQUE INDEX attempts_one_running ON attempts (run_id) WHERE status = 'running';
CREATE INDEX attempts_lease ON attempts (lease_expires_at) WHERE status = 'running';

CREATE TABLE run_events (
    run_id         uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    sequence       bigint NOT NULL CHECK (sequence >= 1),
    attempt_number int,
    kind           run_event_kind NOT NULL,
    payload        jsonb NOT NULL,
    occurred_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, sequence)
);
COMMENT ON TABLE run_events IS 'Append-only progress of a run; the sequence is drawn under the lock of the run row, so it is seen in order';
CREATE TRIGGER run_events_append_only BEFORE UPDATE ON run_events FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE outbox IS 'Runs to be announced in Redis, written in the transaction that made them runnable; a row goes once announced';

CREATE FUNCTION wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('aprendiz_outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_wakes_relay AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION wake_relay();
