-- Documents and their texts. A text is immutable: a changed text is a new version.

-- One sequence orders everything that a dataset may depend on (texts, events). It is drawn only while the
-- advisory lock 'aprendiz.positions' is held (function next_position), which is kept until commit: so positions
-- become visible in their own order, and "everything up to P" never changes later.
CREATE SEQUENCE positions AS bigint;

CREATE FUNCTION next_position() RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7020641, 1);
    RETURN nextval('positions');
END $$;
COMMENT ON FUNCTION next_position() IS 'Draws a commit-safe position: holds the position lock until the transaction ends. Take it late in a transaction, never before slow work.';

CREATE TYPE split AS ENUM ('train', 'validation', 'test', 'excluded');

CREATE TABLE documents (
    id           uuid PRIMARY KEY,
    source       text NOT NULL CHECK (length(source) BETWEEN 1 AND 100),
    project      text NOT NULL CHECK (length(project) BETWEEN 1 AND 200),
    task_id      text NOT NULL CHECK (length(task_id) BETWEEN 1 AND 200),
    file_name    text,
    content_type text NOT NULL DEFAULT 'text/plain',
    checksum     text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    metadata     jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source, project, task_id)
);
CREATE INDEX documents_checksum ON documents (checksum);
COMMENT ON TABLE documents IS 'A document as a source knows it. Its text lives in document_texts.';
COMMENT ON COLUMN documents.source IS 'Where it came from, for example label-studio';
COMMENT ON COLUMN documents.project IS 'Project id within the source';
COMMENT ON COLUMN documents.task_id IS 'Id of the document within the project, as the source gives it';
COMMENT ON COLUMN documents.file_name IS 'Original file name. Never a feature: file names give labels away';
COMMENT ON COLUMN documents.checksum IS 'SHA-256 of the newest text, lower-case hex';
COMMENT ON COLUMN documents.metadata IS 'Other keys of the task (title among them). Never a feature';

CREATE TABLE document_texts (
    document_id uuid NOT NULL REFERENCES documents ON DELETE RESTRICT,
    version     int NOT NULL CHECK (version >= 1),
    text        text NOT NULL,
    sha256      text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    position    bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, version)
);
-- contracts compress well; lz4 decompresses several times faster than the default when a snapshot streams
ALTER TABLE document_texts ALTER COLUMN text SET COMPRESSION lz4;
CREATE INDEX document_texts_position ON document_texts (position);
COMMENT ON TABLE document_texts IS 'Immutable versions of the text of a document';
COMMENT ON COLUMN document_texts.position IS 'Commit-safe position: a snapshot at P reads the greatest version with position <= P';

CREATE TABLE document_splits (
    document_id uuid NOT NULL REFERENCES documents ON DELETE RESTRICT,
    version     int NOT NULL CHECK (version >= 1),
    group_key   text NOT NULL,
    split       split NOT NULL,
    reason      text NOT NULL,
    position    bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, version)
);
COMMENT ON TABLE document_splits IS 'Split of a document, append-only: decided when it arrives and then kept for ever';
COMMENT ON COLUMN document_splits.group_key IS 'Documents of one group share a split; equal texts share a group';
COMMENT ON COLUMN document_splits.reason IS 'Why it is there: hash (of the group), inherited, or the reason of an exclusion';
COMMENT ON COLUMN document_splits.position IS 'Commit-safe position, as for texts';
CREATE INDEX document_splits_group ON document_splits (group_key);
CREATE INDEX document_splits_position ON document_splits (position);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, lower(TG_OP) USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER document_texts_append_only BEFORE UPDATE OR DELETE ON document_texts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER document_splits_append_only BEFORE UPDATE OR DELETE ON document_splits FOR EACH ROW EXECUTE FUNCTION refuse_change();
