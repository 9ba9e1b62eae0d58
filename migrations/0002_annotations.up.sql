-- What reviewers said. Events are the truth; annotations is their current state, derived in the same transaction.
-- A value is an array of strings in every table here: NULL = nothing known, '{}' = "no value" (an answer, ∅), else the value(s).

CREATE TYPE field_kind AS ENUM ('categorical', 'text', 'date', 'number');
CREATE TYPE field_cardinality AS ENUM ('one', 'many');
CREATE TYPE review_status AS ENUM ('OK', 'CORRECTED', 'NEW', 'REJECTED', 'MISSING', 'UNREVIEWED');

CREATE TABLE fields (
    name           text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}$'),
    kind           field_kind NOT NULL,
    cardinality    field_cardinality NOT NULL DEFAULT 'one',
    allowed_values text[],
    declared       boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE fields IS 'A labelled field. Guessed at its first import, never silently changed afterwards';
COMMENT ON COLUMN fields.kind IS 'categorical fields can be learned by classifiers; the others are kept and exported';
COMMENT ON COLUMN fields.allowed_values IS 'Values a reviewer may choose from, NULL when unknown';
COMMENT ON COLUMN fields.declared IS 'true once a person has set the definition';

CREATE TABLE extractions (
    document_id       uuid NOT NULL REFERENCES documents ON DELETE RESTRICT,
    field             text NOT NULL REFERENCES fields,
    extractor_version text NOT NULL,
    value             text[] NOT NULL,
    confidence        double precision CHECK (confidence BETWEEN 0 AND 1),
    predicted_at      timestamptz NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, field, extractor_version)
);
COMMENT ON TABLE extractions IS 'A prediction of one version of the extractor for one field of one document';

CREATE TABLE annotation_events (
    position      bigint PRIMARY KEY,
    document_id   uuid NOT NULL REFERENCES documents ON DELETE RESTRICT,
    field         text NOT NULL REFERENCES fields,
    value         text[] NOT NULL,
    review_status review_status NOT NULL,
    spans         jsonb,
    reviewer      text,
    source        text NOT NULL,
    source_ref    text NOT NULL,
    occurred_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (document_id, field, source, source_ref, occurred_at),
    CONSTRAINT event_status_fits_value CHECK (CASE review_status
        WHEN 'OK' THEN value <> '{}' WHEN 'CORRECTED' THEN value <> '{}' WHEN 'NEW' THEN value <> '{}'
        WHEN 'REJECTED' THEN value = '{}' WHEN 'MISSING' THEN value = '{}' ELSE true END)
);
COMMENT ON TABLE annotation_events IS 'Append-only review of one field of one document. The latest accepted value as of P is the event with position <= P and the greatest (occurred_at, position)';
COMMENT ON COLUMN annotation_events.position IS 'Commit-safe order over the whole installation, from next_position()';
COMMENT ON COLUMN annotation_events.value IS '{} = the reviewer says there is no value; with status UNREVIEWED the review was undone and the value does not count';
COMMENT ON COLUMN annotation_events.spans IS 'Places in the text: [{"start","end","text"}], code points';
COMMENT ON COLUMN annotation_events.source_ref IS 'Id of the review within its source, for example the Label Studio annotation id; with occurred_at it makes a repeated import a no-op';
CREATE INDEX annotation_events_latest ON annotation_events (document_id, field, occurred_at DESC, position DESC);
CREATE INDEX annotation_events_field ON annotation_events (field, document_id);
CREATE TRIGGER annotation_events_append_only BEFORE UPDATE OR DELETE ON annotation_events FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE annotations (
    document_id     uuid NOT NULL REFERENCES documents ON DELETE RESTRICT,
    field           text NOT NULL REFERENCES fields,
    predicted_value text[],
    accepted_value  text[],
    spans           jsonb,
    review_status   review_status NOT NULL,
    reviewer        text,
    version         int NOT NULL DEFAULT 1 CHECK (version >= 1),
    event_position  bigint REFERENCES annotation_events,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, field),
    CONSTRAINT annotation_status_fits_values CHECK (CASE review_status
        WHEN 'OK' THEN accepted_value <> '{}' AND predicted_value = accepted_value
        WHEN 'CORRECTED' THEN accepted_value <> '{}' AND predicted_value <> '{}' AND predicted_value <> accepted_value
        WHEN 'NEW' THEN accepted_value <> '{}' AND coalesce(predicted_value, '{}') = '{}'
        WHEN 'REJECTED' THEN accepted_value = '{}' AND predicted_value <> '{}'
        WHEN 'MISSING' THEN accepted_value = '{}' AND coalesce(predicted_value, '{}') = '{}'
        WHEN 'UNREVIEWED' THEN accepted_value IS NULL END)
);
COMMENT ON TABLE annotations IS 'Current state of one field of one document, derived from its events and predictions';
COMMENT ON COLUMN annotations.accepted_value IS 'NULL = unreviewed, {} = reviewed: no value';
COMMENT ON COLUMN annotations.version IS 'Raised by every change; the ETag of the API';
CREATE INDEX annotations_field_status ON annotations (field, review_status);
