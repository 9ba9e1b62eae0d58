-- What a training can be continued from, and how the bucket is kept clean.
ALTER TABLE attempts ADD COLUMN resumed_from_step bigint CHECK (resumed_from_step > 0);
COMMENT ON COLUMN attempts.resumed_from_step IS 'Step of the checkpoint that training continued from; NULL = from the beginning';

CREATE TABLE checkpoints (
    run_id         uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    attempt_number int NOT NULL,
    step           bigint NOT NULL CHECK (step > 0),
    object_key     text NOT NULL UNIQUE REFERENCES objects,
    fingerprint    text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    cpu_kernel     text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, attempt_number, step),
    FOREIGN KEY (run_id, attempt_number) REFERENCES attempts (run_id, number) ON DELETE CASCADE
);
COMMENT ON TABLE checkpoints IS 'A state that another worker can continue training from; its object is live as long as the row';
COMMENT ON COLUMN checkpoints.fingerprint IS 'SHA-256 of what the training depends on (data, parameters, seed, format): only an equal one can be continued';
COMMENT ON COLUMN checkpoints.cpu_kernel IS 'Vector instructions it was computed with: continued on the same ones, the weights come out the same byte for byte';

ALTER TABLE objects ADD COLUMN upload_id text;
COMMENT ON COLUMN objects.upload_id IS 'Multipart upload that was begun for it and not known to have ended: the sweeper aborts it';
