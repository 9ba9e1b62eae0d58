-- Imports write these three tables by the hundred thousand rows. A foreign key asks for each row on its own, which took longer than the
-- rows themselves; here one statement asks once for all that it wrote. docs/decisions/0015-import-by-sets.md

ALTER TABLE annotation_events
    DROP CONSTRAINT annotation_events_document_id_fkey,
    DROP CONSTRAINT annotation_events_field_fkey;
ALTER TABLE annotations
    DROP CONSTRAINT annotations_document_id_fkey,
    DROP CONSTRAINT annotations_field_fkey,
    DROP CONSTRAINT annotations_event_position_fkey;
ALTER TABLE extractions
    DROP CONSTRAINT extractions_document_id_fkey,
    DROP CONSTRAINT extractions_field_fkey;

CREATE FUNCTION check_references() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stray text;
BEGIN
    SELECT a.field INTO stray
    FROM (SELECT DISTINCT field FROM arrived) a
    WHERE NOT EXISTS (SELECT FROM fields f WHERE f.name = a.field)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'field % of % is not in fields', stray, TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation';
    END IF;
    SELECT a.document_id INTO stray
    FROM (SELECT DISTINCT document_id FROM arrived) a
    WHERE NOT EXISTS (SELECT FROM documents d WHERE d.id = a.document_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'document % of % is not in documents', stray, TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER annotation_events_references AFTER INSERT ON annotation_events
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION check_references();
CREATE TRIGGER annotations_references AFTER INSERT ON annotations
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION check_references();
CREATE TRIGGER extractions_references AFTER INSERT ON extractions
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION check_references();

-- what a row is about never changes
CREATE TRIGGER annotations_fixed BEFORE UPDATE OF document_id, field ON annotations FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER extractions_fixed BEFORE UPDATE OF document_id, field ON extractions FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_if_document_referenced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM annotation_events WHERE document_id = OLD.id)
            OR EXISTS (SELECT FROM annotations WHERE document_id = OLD.id)
            OR EXISTS (SELECT FROM extractions WHERE document_id = OLD.id) THEN
        RAISE EXCEPTION 'document % is still referred to', OLD.id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE FUNCTION refuse_if_field_referenced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM annotation_events WHERE field = OLD.name)
            OR EXISTS (SELECT FROM annotations WHERE field = OLD.name)
            OR EXISTS (SELECT FROM extractions WHERE field = OLD.name) THEN
        RAISE EXCEPTION 'field % is still referred to', OLD.name USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER documents_referenced BEFORE DELETE ON documents FOR EACH ROW EXECUTE FUNCTION refuse_if_document_referenced();
CREATE TRIGGER fields_referenced BEFORE DELETE ON fields FOR EACH ROW EXECUTE FUNCTION refuse_if_field_referenced();

ALTER TABLE import_quarantine ADD COLUMN task text;
COMMENT ON COLUMN import_quarantine.task IS 'The task as it came, JSON, to be repaired and imported again; NULL where it was too large or no text';

ALTER TABLE fields ADD COLUMN normalization jsonb;
COMMENT ON COLUMN fields.normalization IS 'How values that arrive are written: {case, spaces, aliases}; NULL = as they are';
ALTER TABLE field_definitions ADD COLUMN normalization jsonb;

CREATE TYPE import_status AS ENUM ('queued', 'running', 'succeeded', 'failed');

CREATE TABLE import_requests (
    id               uuid PRIMARY KEY,
    actor            text NOT NULL,
    options          jsonb NOT NULL,
    object_key       text NOT NULL,
    bytes            bigint NOT NULL CHECK (bytes >= 0),
    status           import_status NOT NULL DEFAULT 'queued',
    attempt          int NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    lease_expires_at timestamptz,
    stage            text CHECK (stage IN ('reading', 'storing')),
    bytes_read       bigint NOT NULL DEFAULT 0 CHECK (bytes_read >= 0),
    tasks            bigint NOT NULL DEFAULT 0 CHECK (tasks >= 0),
    error_code       text,
    error            text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at       timestamptz,
    finished_at      timestamptz,
    CONSTRAINT running_imports_are_leased CHECK ((status = 'running') = (lease_expires_at IS NOT NULL)),
    CONSTRAINT ended_imports_say_when CHECK ((status IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT failed_imports_say_why CHECK ((status = 'failed') = (error_code IS NOT NULL))
);
CREATE INDEX import_requests_open ON import_requests (created_at) WHERE status IN ('queued', 'running');
COMMENT ON TABLE import_requests IS 'An import that waits, runs or ran in the background. Its row in imports, with the same id, is written in the transaction that makes it succeeded';
COMMENT ON COLUMN import_requests.object_key IS 'Where the body lies in S3 until the import has ended; its row is in objects';
COMMENT ON COLUMN import_requests.attempt IS 'Attempts begun; whoever carries one out writes with its number, so that one which lost its lease changes nothing';
