-- Which worker may claim a run, and how many runs of a queue may run at the same time.
CREATE TABLE queues (
    name                  text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    weight                int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    max_running           int CHECK (max_running BETWEEN 0 AND 100000),
    max_running_per_model int CHECK (max_running_per_model BETWEEN 0 AND 100000),
    changed_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by            text
);
COMMENT ON TABLE queues IS 'A named queue of runs. Claims lock the row of a queue with a limit, so that no two of them count the same runs';
COMMENT ON COLUMN queues.weight IS 'Share of the running runs among queues with waiting runs: the queue with the fewest running runs per weight goes first';
COMMENT ON COLUMN queues.max_running IS 'Greatest number of runs of the queue that run at the same time; NULL = no limit, 0 = none starts';
COMMENT ON COLUMN queues.max_running_per_model IS 'The same for the runs of one model name';
COMMENT ON COLUMN queues.changed_by IS 'Who changed it last; NULL = created by a migration';
INSERT INTO queues (name) VALUES ('default');

ALTER TABLE workers ADD COLUMN labels text[] NOT NULL DEFAULT '{backend=flex}';
COMMENT ON COLUMN workers.labels IS 'Labels of its host, NAME or NAME=VALUE, and the compute backends of its build as backend=NAME';

ALTER TABLE training_runs
    ADD COLUMN requires    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN queue       text NOT NULL DEFAULT 'default',
    ADD COLUMN spec_sha256 text CHECK (spec_sha256 ~ '^[0-9a-f]{64}$'),
    ADD CONSTRAINT training_runs_queue_fkey FOREIGN KEY (queue) REFERENCES queues NOT VALID;
COMMENT ON COLUMN training_runs.requires IS 'What a worker must have to claim it: NAME, NAME=VALUE or NAME>=NUMBER, sorted; the backend of the spec as backend=NAME';
COMMENT ON COLUMN training_runs.queue IS 'Queue whose weight and limits apply';
COMMENT ON COLUMN training_runs.spec_sha256 IS 'Hash of what it does on which data; NULL for runs of earlier versions';

-- waiting runs that only some builds can train
UPDATE training_runs
SET requires = ARRAY['backend=' || (spec ->> 'backend')]
WHERE status IN ('queued', 'retrying') AND spec ->> 'backend' IN ('ndarray', 'cuda') AND NOT dataset_only
    AND kind IN ('linear', 'sentence-transformer', 'field-classifier');
