-- Imports and what they could not take in.
CREATE TABLE imports (
    id                  uuid PRIMARY KEY,
    source              text NOT NULL,
    file_name           text,
    actor               text NOT NULL,
    bytes               bigint NOT NULL CHECK (bytes >= 0),
    tasks               bigint NOT NULL CHECK (tasks >= 0),
    documents_created   bigint NOT NULL CHECK (documents_created >= 0),
    documents_updated   bigint NOT NULL CHECK (documents_updated >= 0),
    documents_unchanged bigint NOT NULL CHECK (documents_unchanged >= 0),
    events_created      bigint NOT NULL CHECK (events_created >= 0),
    quarantined         bigint NOT NULL CHECK (quarantined >= 0),
    report              jsonb NOT NULL,
    started_at          timestamptz NOT NULL,
    finished_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE imports IS 'A finished import. An import is one transaction: a failed one leaves nothing behind';
COMMENT ON COLUMN imports.report IS 'Counts by field and status, as the importer printed them';

CREATE TABLE import_quarantine (
    import_id  uuid NOT NULL REFERENCES imports ON DELETE CASCADE,
    task_index bigint NOT NULL CHECK (task_index >= 0),
    task_id    text,
    reason     text NOT NULL,
    PRIMARY KEY (import_id, task_index)
);
COMMENT ON TABLE import_quarantine IS 'A task that was not taken in, with the reason';
COMMENT ON COLUMN import_quarantine.task_index IS 'Place in the file, from 0';
