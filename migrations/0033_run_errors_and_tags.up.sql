-- What people look up about a run: the documents that it got wrong, and what they wrote about it.

CREATE TABLE run_errors (
    run_id         uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    attempt_number int NOT NULL,
    split          text NOT NULL CHECK (split IN ('validation', 'test', 'reviewed')),
    field          text NOT NULL,
    document_id    uuid NOT NULL,
    gold           text[] NOT NULL,
    predicted      text[] NOT NULL,
    confidence     double precision CHECK (confidence BETWEEN 0 AND 1),
    loss           double precision CHECK (loss >= 0),
    answered       boolean,
    top            jsonb,
    PRIMARY KEY (run_id, split, field, document_id)
);
CREATE INDEX run_errors_document ON run_errors (document_id);
COMMENT ON TABLE run_errors IS 'A wrong prediction of a run, written only by the attempt that finished it; a bounded number per run and split, those with the highest confidence';
COMMENT ON COLUMN run_errors.document_id IS 'No foreign key: its lock would wait for an erasure that itself waits for this transaction. An erasure deletes the rows of its document';
COMMENT ON COLUMN run_errors.split IS 'validation, test; reviewed = stored predictions against all reviewed values';
COMMENT ON COLUMN run_errors.gold IS 'Accepted value; {} = no value';
COMMENT ON COLUMN run_errors.predicted IS 'Predicted value; {} = no value';
COMMENT ON COLUMN run_errors.confidence IS 'Confidence of the prediction; NULL if it was stored without one';
COMMENT ON COLUMN run_errors.loss IS 'Negative natural logarithm of the probability of the accepted value; NULL if that is unknown or 0';
COMMENT ON COLUMN run_errors.answered IS 'Whether the confidence reached the threshold of the field; NULL for stored predictions';
COMMENT ON COLUMN run_errors.top IS 'Most probable classes: [{"value": [], "probability": 0.5}]; NULL if only the prediction is known';

ALTER TABLE training_runs
    ADD COLUMN tags jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(tags) = 'object'),
    ADD COLUMN note text CHECK (length(note) BETWEEN 1 AND 10000);
ALTER TABLE model_versions
    ADD COLUMN tags jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(tags) = 'object'),
    ADD COLUMN note text CHECK (length(note) BETWEEN 1 AND 10000);
COMMENT ON COLUMN training_runs.tags IS 'Keys and values given by people; every change is in audit_log';
COMMENT ON COLUMN training_runs.note IS 'Text given by people; every change is in audit_log';
COMMENT ON COLUMN model_versions.tags IS 'Keys and values given by people; every change is in audit_log';
COMMENT ON COLUMN model_versions.note IS 'Text given by people; every change is in audit_log';
