//! Definitions of the temporary tables, and copying into them.

use sqlx::PgConnection;

use crate::import::staging::batch::Batch;
use crate::import::staging::review_event_tables;

const CREATE: &str = r#"
CREATE TEMPORARY TABLE staged_tasks (
    task_index bigint NOT NULL,
    id         uuid NOT NULL,
    project    text NOT NULL,
    task_id    text NOT NULL,
    file_name  text,
    metadata   jsonb NOT NULL,
    checksum   text NOT NULL,
    group_key  text NOT NULL,
    split      split NOT NULL
) ON COMMIT DROP;

-- separate from staged_tasks, which is scanned several times
CREATE TEMPORARY TABLE staged_texts (
    task_index bigint NOT NULL,
    -- as in document_texts, so that a compressed text is copied as it is
    text       text COMPRESSION lz4 NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE staged_sketches (
    task_index bigint NOT NULL,
    rate       smallint NOT NULL,
    hashes     bigint[] NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE staged_reviews (
    task_index  bigint NOT NULL,
    source_ref  text NOT NULL,
    occurred_at timestamptz NOT NULL,
    reviewer    text,
    -- whether it is the latest of its task
    latest      boolean NOT NULL
) ON COMMIT DROP;

-- values of reviews
CREATE TEMPORARY TABLE staged_values (
    task_index  bigint NOT NULL,
    source_ref  text NOT NULL,
    field       text NOT NULL,
    has_control boolean NOT NULL,
    -- in the canonical form of its kind
    value       text[] NOT NULL,
    -- as in the file, if that differs
    written     text[],
    kind        field_kind,
    -- see `SeenLabels`
    may_have_new_label boolean NOT NULL,
    -- whether it looks like a word for a missing value
    has_missing_word boolean NOT NULL,
    -- whether its status accepts a value that is nowhere to be found
    unresolved  boolean NOT NULL,
    spans       jsonb
) ON COMMIT DROP;

CREATE TEMPORARY TABLE staged_predictions (
    task_index        bigint NOT NULL,
    extractor_version text NOT NULL,
    field             text NOT NULL,
    has_control       boolean NOT NULL,
    value             text[] NOT NULL,
    written           text[],
    kind              field_kind,
    may_have_new_label boolean NOT NULL,
    confidence        double precision,
    predicted_at      timestamptz NOT NULL,
    -- see `LatestFlags`
    latest_flags      smallint NOT NULL
) ON COMMIT DROP;

-- the document of each task, and what changes about it
CREATE TEMPORARY TABLE targets (
    task_index      bigint NOT NULL,
    document_id     uuid NOT NULL,
    project         text NOT NULL,
    is_new          boolean NOT NULL,
    -- whether it was withdrawn with its imports
    returns         boolean NOT NULL DEFAULT false,
    text_changed    boolean NOT NULL,
    -- file name or metadata
    details_changed boolean NOT NULL,
    -- either of them
    changed         boolean NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE seen_fields (
    field       text NOT NULL,
    has_control boolean NOT NULL,
    kind        field_kind NOT NULL,
    cardinality field_cardinality NOT NULL
) ON COMMIT DROP;

-- the fields that every review of a project covers
CREATE TEMPORARY TABLE project_fields (
    project     text NOT NULL,
    field       text NOT NULL,
    -- index among the fields of the project, from 0
    field_index bigint NOT NULL,
    -- whether the field has a control of its own in this file, not only labelled spans
    has_control boolean NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE new_events (
    -- offset of its position from the first position of this import
    number      bigint NOT NULL,
    document_id uuid NOT NULL,
    is_new      boolean NOT NULL,
    -- whether its review is the latest of the task
    latest      boolean NOT NULL,
    field       text NOT NULL,
    value       text[] NOT NULL,
    -- latest prediction; only for new documents, whose predictions are all in the file
    predicted   text[],
    spans       jsonb,
    reviewer    text,
    source_ref  text NOT NULL,
    occurred_at timestamptz NOT NULL,
    -- value of a stored event with the same id and time; such a row is only reported
    stored_value text[]
) ON COMMIT DROP;

-- fields of documents whose current state must be derived again
CREATE TEMPORARY TABLE touched (
    document_id uuid NOT NULL,
    field       text NOT NULL
) ON COMMIT DROP;

-- their latest predictions
CREATE TEMPORARY TABLE predicted (
    document_id uuid NOT NULL,
    field       text NOT NULL,
    value       text[] NOT NULL
) ON COMMIT DROP;
"#;

const DROP: &str = "DROP TABLE staged_tasks, staged_texts, staged_sketches, staged_reviews, staged_values, staged_predictions, \
                    targets, seen_fields, project_fields, new_events, touched, predicted";

/// Creates the tables in the open transaction.
pub(in crate::import) async fn create(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CREATE).execute(&mut *conn).await?;
    review_event_tables::create(conn).await
}

/// Drops the tables before the commit, so that the transaction of a caller can run a second import.
pub(in crate::import) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(DROP).execute(&mut *conn).await?;
    review_event_tables::drop(conn).await
}

/// Copies a batch into the tables.
pub(in crate::import) async fn insert(conn: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    for (statement, rows) in [
        (
            "COPY staged_tasks (task_index, id, project, task_id, file_name, metadata, checksum, group_key, split) FROM STDIN (FORMAT binary)",
            &batch.tasks,
        ),
        ("COPY staged_texts (task_index, text) FROM STDIN (FORMAT binary)", &batch.texts),
        ("COPY staged_sketches (task_index, rate, hashes) FROM STDIN (FORMAT binary)", &batch.sketches),
        ("COPY staged_reviews (task_index, source_ref, occurred_at, reviewer, latest) FROM STDIN (FORMAT binary)", &batch.reviews),
        (
            "COPY staged_values (task_index, source_ref, field, has_control, value, written, kind, may_have_new_label, has_missing_word,
                                 unresolved, spans)
             FROM STDIN (FORMAT binary)",
            &batch.values,
        ),
        (
            "COPY staged_predictions (task_index, extractor_version, field, has_control, value, written, kind, may_have_new_label, confidence,
                                      predicted_at, latest_flags)
             FROM STDIN (FORMAT binary)",
            &batch.predictions,
        ),
    ] {
        if rows.count() > 0 {
            let mut copy = conn.copy_in_raw(statement).await?;
            copy.send(rows.to_bytes()).await?;
            copy.finish().await?;
        }
    }
    review_event_tables::insert(conn, &batch.review_events).await
}
