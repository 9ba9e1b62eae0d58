//! Retracts reviews whose annotations were deleted in Label Studio (option `mirror`).
//!
//! If the current state of a field comes from Label Studio but differs from the latest annotation of the task in the file, an event
//! retracts it: the field gets the value of that annotation, or becomes unreviewed if there is none. Reviews from other sources are kept.

use aprendiz_label_studio::SOURCE;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::state_sql::{derive_states, status};

/// Finds the documents of the file and, if it is complete, those of its projects that are not in the file. Locks their states; must be
/// called before the position lock is taken.
pub(super) async fn stage(conn: &mut PgConnection, source: &str, is_complete: bool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("CREATE TEMPORARY TABLE mirrored (document_id uuid NOT NULL, task_index bigint) ON COMMIT DROP")
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO mirrored (document_id, task_index)
         SELECT t.document_id, t.task_index
         FROM targets t
         WHERE NOT t.is_new
         UNION ALL
         SELECT d.id, NULL
         FROM documents d
         WHERE $2 AND d.source = $1
           AND d.project IN (SELECT project FROM targets)
           AND d.withdrawn_at IS NULL
           AND NOT EXISTS (SELECT FROM targets t WHERE t.document_id = d.id)",
    )
    .bind(source)
    .bind(is_complete)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql(
        "ANALYZE mirrored;
         CREATE TEMPORARY TABLE retractions (
             document_id uuid NOT NULL,
             field       text NOT NULL,
             -- NULL: becomes unreviewed
             accepted    text[],
             predicted   text[],
             spans       jsonb,
             reviewer    text,
             occurred_at timestamptz NOT NULL
         ) ON COMMIT DROP",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "SELECT count(*)
         FROM (
             SELECT FROM annotations a
             JOIN mirrored c USING (document_id)
             ORDER BY a.document_id, a.field
             FOR UPDATE OF a
         ) locked",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Inserts the retracting events and derives the states. Returns the number of events. The position lock must be held.
pub(super) async fn retract(conn: &mut PgConnection, actor: &str, import: Uuid, started_at: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO retractions (document_id, field, accepted, predicted, spans, reviewer, occurred_at)
         SELECT document_id, field, file_value, predicted, spans, reviewer, occurred_at
         FROM (
             SELECT s.document_id, s.field, s.accepted_value, s.predicted_value AS predicted, r.reviewer, a.spans,
                    a.unresolved AND (a.has_control OR f.has_control IS NOT TRUE) AS unresolved,
                    CASE WHEN r.task_index IS NULL THEN NULL
                         WHEN a.has_control OR NOT f.has_control THEN coalesce(a.value, '{}')
                         ELSE '{}' END AS file_value,
                    -- later than the replaced event
                    greatest($2, e.occurred_at + interval '1 microsecond') AS occurred_at
             FROM mirrored c
             JOIN annotations s USING (document_id)
             JOIN annotation_events e ON e.position = s.event_position AND e.source = $1
             LEFT JOIN targets t ON t.document_id = c.document_id
             LEFT JOIN staged_reviews r ON r.task_index = c.task_index AND r.latest
             LEFT JOIN project_fields f ON f.project = t.project AND f.field = s.field
             LEFT JOIN staged_values a ON a.task_index = r.task_index AND a.source_ref = r.source_ref AND a.field = s.field
         ) states
         WHERE unresolved IS NOT TRUE
           AND CASE WHEN file_value IS NULL OR accepted_value IS NULL THEN (file_value IS NULL) <> (accepted_value IS NULL)
                    ELSE NOT (file_value @> accepted_value AND file_value <@ accepted_value)
                         AND comparable_values(file_value) <> comparable_values(accepted_value) END",
    )
    .bind(SOURCE)
    .bind(started_at)
    .execute(&mut *conn)
    .await?;
    let events = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, reviewer, source, source_ref, occurred_at, actor)
         SELECT nextval('positions'), document_id, field, coalesce(accepted, '{}'), ",
        status!(),
        ", spans, reviewer, $1, 'mirror:' || $2::text, occurred_at, $3
         FROM retractions"
    ))
    .bind(SOURCE)
    .bind(import)
    .bind(actor)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT document_id, field FROM retractions")).execute(&mut *conn).await?;
    sqlx::raw_sql("DROP TABLE mirrored, retractions").execute(conn).await?;
    Ok(events.rows_affected())
}
