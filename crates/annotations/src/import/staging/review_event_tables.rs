//! Temporary tables of explicit per-field reviews.

use sqlx::PgConnection;

use crate::import::staging::review_event_columns::ReviewEventColumns;

const CREATE: &str = r#"
CREATE TEMPORARY TABLE staged_review_events (
    task_index  bigint NOT NULL,
    -- set once the document is known
    document_id uuid,
    field       text NOT NULL,
    kind        field_kind,
    value       text[] NOT NULL,
    -- NULL: derived from the prediction
    status      review_status,
    spans       jsonb,
    reviewer    text,
    note        text,
    source      text NOT NULL,
    source_ref  text NOT NULL,
    occurred_at timestamptz NOT NULL
) ON COMMIT DROP;

-- field definitions given by tasks
CREATE TEMPORARY TABLE staged_fields (
    task_index bigint NOT NULL,
    field      text NOT NULL,
    kind       field_kind NOT NULL,
    many       boolean NOT NULL
) ON COMMIT DROP;

-- fields whose state may change
CREATE TEMPORARY TABLE touched_by_review_events (
    document_id uuid NOT NULL,
    field       text NOT NULL
) ON COMMIT DROP;
"#;

pub(super) async fn create(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CREATE).execute(conn).await?;
    Ok(())
}

pub(super) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("DROP TABLE staged_review_events, staged_fields, touched_by_review_events").execute(conn).await?;
    Ok(())
}

/// Inserts events and field definitions.
pub(super) async fn insert(conn: &mut PgConnection, events: &ReviewEventColumns) -> Result<(), sqlx::Error> {
    if !events.fields.field.is_empty() {
        sqlx::query(
            "INSERT INTO staged_fields (task_index, field, kind, many)
             SELECT f.task_index, f.field, f.kind::field_kind, f.many
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[]) AS f (task_index, field, kind, many)",
        )
        .bind(&events.fields.task_index)
        .bind(&events.fields.field)
        .bind(&events.fields.kind)
        .bind(&events.fields.many)
        .execute(&mut *conn)
        .await?;
    }
    if events.field.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO staged_review_events (task_index, field, kind, value, status, spans, reviewer, note, source, source_ref, occurred_at)
         SELECT s.task_index, s.field, s.kind::field_kind, s.value::text[], s.status::review_status, s.spans::jsonb, s.reviewer, s.note,
                s.source, s.source_ref, s.occurred_at
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                     $10::text[], $11::timestamptz[])
              AS s (task_index, field, kind, value, status, spans, reviewer, note, source, source_ref, occurred_at)",
    )
    .bind(&events.task_index)
    .bind(&events.field)
    .bind(&events.kind)
    .bind(&events.value)
    .bind(&events.status)
    .bind(&events.spans)
    .bind(&events.reviewer)
    .bind(&events.note)
    .bind(&events.source)
    .bind(&events.source_ref)
    .bind(&events.occurred_at)
    .execute(conn)
    .await?;
    Ok(())
}
