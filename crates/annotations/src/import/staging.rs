//! Temporary tables that hold the rows of a file until it has ended well.
//!
//! They are written without a log and vanish with the transaction. The checked macros know permanent tables only, so the
//! statements of this module and of `settle` are plain static strings; the integration tests run each of them.

use sqlx::PgConnection;

use crate::import::batch::{AnswerColumns, Batch, PredictionColumns, ReviewColumns, TaskColumns};

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
    sqlx::raw_sql(CREATE).execute(conn).await?;
    Ok(())
}

/// Drops them before the commit, so that a caller's transaction can hold a second import.
pub(super) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(DROP).execute(conn).await?;
    Ok(())
}

/// Copies a batch into the tables.
pub(super) async fn insert(conn: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    insert_tasks(conn, &batch.tasks).await?;
    insert_reviews(conn, &batch.reviews).await?;
    insert_answers(conn, &batch.answers).await?;
    insert_predictions(conn, &batch.predictions).await
}

async fn insert_tasks(conn: &mut PgConnection, tasks: &TaskColumns) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO staged_tasks (task_index, id, project, task_id, file_name, metadata, checksum, group_key, split)
         SELECT t.task_index, t.id, t.project, t.task_id, t.file_name, t.metadata::jsonb, t.checksum, t.group_key, t.split::split
         FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
              AS t (task_index, id, project, task_id, file_name, metadata, checksum, group_key, split)",
    )
    .bind(&tasks.task_index)
    .bind(&tasks.id)
    .bind(&tasks.project)
    .bind(&tasks.task_id)
    .bind(&tasks.file_name)
    .bind(&tasks.metadata)
    .bind(&tasks.checksum)
    .bind(&tasks.group_key)
    .bind(&tasks.split)
    .execute(&mut *conn)
    .await?;
    sqlx::query("INSERT INTO staged_texts (task_index, text) SELECT * FROM unnest($1::bigint[], $2::text[])")
        .bind(&tasks.task_index)
        .bind(&tasks.text)
        .execute(&mut *conn)
        .await?;
    // lists of different lengths cannot be bound: one list is, and cut here
    sqlx::query(
        "INSERT INTO staged_sketches (task_index, rate, hashes)
         SELECT t.task_index, t.rate, ($4::bigint[])[1 + lag(t.upto, 1, 0) OVER (ORDER BY t.number) : t.upto]
         FROM unnest($1::bigint[], $2::smallint[], $3::int[]) WITH ORDINALITY AS t (task_index, rate, upto, number)",
    )
    .bind(&tasks.task_index)
    .bind(&tasks.rate)
    .bind(&tasks.hashes_end)
    .bind(&tasks.hashes)
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_reviews(conn: &mut PgConnection, reviews: &ReviewColumns) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO staged_reviews (task_index, source_ref, occurred_at, reviewer, latest)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::boolean[])",
    )
    .bind(&reviews.task_index)
    .bind(&reviews.source_ref)
    .bind(&reviews.occurred_at)
    .bind(&reviews.reviewer)
    .bind(&reviews.latest)
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_answers(conn: &mut PgConnection, answers: &AnswerColumns) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO staged_answers (task_index, source_ref, field, has_control, value, kind, open, spans)
         SELECT a.task_index, a.source_ref, a.field, a.has_control, a.value::text[], a.kind::field_kind, a.open, a.spans::jsonb
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::boolean[], $8::text[])
              AS a (task_index, source_ref, field, has_control, value, kind, open, spans)",
    )
    .bind(&answers.values.task_index)
    .bind(&answers.source_ref)
    .bind(&answers.values.field)
    .bind(&answers.values.has_control)
    .bind(&answers.values.value)
    .bind(&answers.values.kind)
    .bind(&answers.open)
    .bind(&answers.spans)
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_predictions(conn: &mut PgConnection, predictions: &PredictionColumns) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO staged_predictions (task_index, extractor_version, field, has_control, value, kind, confidence, predicted_at, marks)
         SELECT p.task_index, p.extractor_version, p.field, p.has_control, p.value::text[], p.kind::field_kind, p.confidence, p.predicted_at,
                p.marks
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::float8[], $8::timestamptz[],
                     $9::smallint[])
              AS p (task_index, extractor_version, field, has_control, value, kind, confidence, predicted_at, marks)",
    )
    .bind(&predictions.values.task_index)
    .bind(&predictions.extractor_version)
    .bind(&predictions.values.field)
    .bind(&predictions.values.has_control)
    .bind(&predictions.values.value)
    .bind(&predictions.values.kind)
    .bind(&predictions.confidence)
    .bind(&predictions.predicted_at)
    .bind(&predictions.marks)
    .execute(conn)
    .await?;
    Ok(())
}
