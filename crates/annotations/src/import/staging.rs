//! Temporary tables that hold the rows of a file until it has ended well.
//!
//! They are written without a log and vanish with the transaction. The checked macros know permanent tables only, so the
//! statements of this module and of `settle` are plain static strings; the integration tests run each of them.

use sqlx::PgConnection;

use crate::import::batch::Batch;
use crate::import::settle::said;

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

-- apart from the rest, which is scanned several times
CREATE TEMPORARY TABLE staged_texts (
    task_index bigint NOT NULL,
    -- as in document_texts: a compressed text is then moved as it is
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
    -- the newest one of its task
    latest      boolean NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE staged_answers (
    task_index  bigint NOT NULL,
    source_ref  text NOT NULL,
    field       text NOT NULL,
    has_control boolean NOT NULL,
    value       text[] NOT NULL,
    kind        field_kind,
    open        boolean NOT NULL,
    spans       jsonb
) ON COMMIT DROP;

CREATE TEMPORARY TABLE staged_predictions (
    task_index        bigint NOT NULL,
    extractor_version text NOT NULL,
    field             text NOT NULL,
    has_control       boolean NOT NULL,
    value             text[] NOT NULL,
    kind              field_kind,
    confidence        double precision,
    predicted_at      timestamptz NOT NULL,
    -- of what it is the newest: `Marks` in batch.rs
    marks             smallint NOT NULL
) ON COMMIT DROP;

-- which document a good task is, and what is new about it
CREATE TEMPORARY TABLE targets (
    task_index      bigint NOT NULL,
    document_id     uuid NOT NULL,
    project         text NOT NULL,
    is_new          boolean NOT NULL,
    text_changed    boolean NOT NULL,
    -- file name or metadata
    details_changed boolean NOT NULL,
    -- any of them
    changed         boolean NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE seen_fields (
    field       text NOT NULL,
    has_control boolean NOT NULL,
    kind        field_kind NOT NULL,
    cardinality field_cardinality NOT NULL
) ON COMMIT DROP;

-- every field that a review of a project answers, by a value or by leaving it empty
CREATE TEMPORARY TABLE project_fields (
    project     text NOT NULL,
    field       text NOT NULL,
    -- place among the fields of the project, from 0
    place       bigint NOT NULL,
    -- whether a control of its own speaks about it in this file, and not only labelled spans
    has_control boolean NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE new_events (
    -- distance of its position from the first one of this import
    number      bigint NOT NULL,
    document_id uuid NOT NULL,
    is_new      boolean NOT NULL,
    -- whether its review is the newest of the task
    latest      boolean NOT NULL,
    field       text NOT NULL,
    value       text[] NOT NULL,
    -- of new documents, whose predictions are all in the file
    predicted   text[],
    spans       jsonb,
    reviewer    text,
    source_ref  text NOT NULL,
    occurred_at timestamptz NOT NULL
) ON COMMIT DROP;

-- fields of documents that were there before, whose current state may change, with their newest prediction
CREATE TEMPORARY TABLE touched (
    document_id uuid NOT NULL,
    field       text NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE predicted (
    document_id uuid NOT NULL,
    field       text NOT NULL,
    value       text[] NOT NULL
) ON COMMIT DROP;
"#;

const DROP: &str = "DROP TABLE staged_tasks, staged_texts, staged_sketches, staged_reviews, staged_answers, staged_predictions, \
                    targets, seen_fields, project_fields, new_events, touched, predicted";

/// Creates the tables in the open transaction.
pub(super) async fn create(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CREATE).execute(&mut *conn).await?;
    said::create(conn).await
}

/// Drops them before the commit, so that a caller's transaction can hold a second import.
pub(super) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(DROP).execute(&mut *conn).await?;
    said::drop(conn).await
}

/// Copies a batch into the tables.
pub(super) async fn insert(conn: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    for (statement, rows) in [
        (
            "COPY staged_tasks (task_index, id, project, task_id, file_name, metadata, checksum, group_key, split) FROM STDIN (FORMAT binary)",
            &batch.tasks,
        ),
        ("COPY staged_texts (task_index, text) FROM STDIN (FORMAT binary)", &batch.texts),
        ("COPY staged_sketches (task_index, rate, hashes) FROM STDIN (FORMAT binary)", &batch.sketches),
        ("COPY staged_reviews (task_index, source_ref, occurred_at, reviewer, latest) FROM STDIN (FORMAT binary)", &batch.reviews),
        (
            "COPY staged_answers (task_index, source_ref, field, has_control, value, kind, open, spans) FROM STDIN (FORMAT binary)",
            &batch.answers,
        ),
        (
            "COPY staged_predictions (task_index, extractor_version, field, has_control, value, kind, confidence, predicted_at, marks)
             FROM STDIN (FORMAT binary)",
            &batch.predictions,
        ),
    ] {
        if rows.count() > 0 {
            let mut copy = conn.copy_in_raw(statement).await?;
            copy.send(rows.finished()).await?;
            copy.finish().await?;
        }
    }
    said::stage(conn, &batch.said).await
}
