-- Everything that a data set shows is versioned: file name and metadata of documents, definitions of fields.

CREATE TABLE document_details (
    document_id  uuid NOT NULL REFERENCES documents ON DELETE RESTRICT,
    version      int NOT NULL CHECK (version >= 1),
    file_name    text,
    content_type text NOT NULL,
    metadata     jsonb NOT NULL,
    position     bigint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, version)
);
CREATE INDEX document_details_position ON document_details (position);
COMMENT ON TABLE document_details IS 'Versions of what is known about a document beside its text; documents holds the newest';
COMMENT ON COLUMN document_details.position IS 'Commit-safe position: a snapshot at P reads the greatest version with position <= P';
-- what was known until now counts as known from the beginning
INSERT INTO document_details (document_id, version, file_name, content_type, metadata, position, created_at)
SELECT d.id, 1, d.file_name, d.content_type, d.metadata, t.position, d.created_at
FROM documents d
JOIN document_texts t ON t.document_id = d.id AND t.version = 1;
CREATE TRIGGER document_details_append_only BEFORE UPDATE OR DELETE ON document_details FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE field_definitions (
    field          text NOT NULL REFERENCES fields,
    version        int NOT NULL CHECK (version >= 1),
    kind           field_kind NOT NULL,
    cardinality    field_cardinality NOT NULL,
    allowed_values text[],
    declared       boolean NOT NULL,
    actor          text NOT NULL,
    position       bigint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (field, version)
);
COMMENT ON TABLE field_definitions IS 'Versions of the definition of a field; fields holds the newest';
COMMENT ON COLUMN field_definitions.actor IS 'Who defined it: an API key, or import for a guess';
COMMENT ON COLUMN field_definitions.position IS 'Commit-safe position: a snapshot at P goes by the greatest version with position <= P, or by the first';
INSERT INTO field_definitions (field, version, kind, cardinality, allowed_values, declared, actor, position, created_at)
SELECT name, 1, kind, cardinality, allowed_values, declared, 'import', 0, created_at
FROM fields;
CREATE TRIGGER field_definitions_append_only BEFORE UPDATE OR DELETE ON field_definitions FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE annotation_events
    ADD COLUMN note text CHECK (length(note) <= 10000),
    ADD COLUMN actor text;
COMMENT ON COLUMN annotation_events.note IS 'What the reviewer wrote about it; never a feature';
COMMENT ON COLUMN annotation_events.actor IS 'Who recorded it: the API key. The reviewer is who decided it; NULL for what was recorded before this column';

-- The newest event wins by its own time; with it here, a snapshot as of now needs no look at the events.
ALTER TABLE annotations ADD COLUMN occurred_at timestamptz;
COMMENT ON COLUMN annotations.occurred_at IS 'Time of the event that the state comes from; NULL while there is none, or when it was written before this column';
UPDATE annotations a SET occurred_at = e.occurred_at FROM annotation_events e WHERE e.position = a.event_position;
