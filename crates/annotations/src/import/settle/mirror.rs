//! Makes the database follow the file where annotations were deleted in the labelling tool, when that is asked for.
//!
//! What came from the labelling tool and is current, but not what the file's newest annotation of the task says, is withdrawn by an event:
//! the field gets the value of that annotation, or is unreviewed where there is none. What reviewers said elsewhere stays.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::import::label_studio::SOURCE;
use crate::state::{derive_states, status};

/// Finds the documents of the file and, when that is whole, those of its projects that it lacks; locks their states, before the lock on
/// positions is taken.
pub(super) async fn prepare(conn: &mut PgConnection, whole: bool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("CREATE TEMPORARY TABLE concerned (document_id uuid NOT NULL, task_index bigint) ON COMMIT DROP")
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO concerned (document_id, task_index)
         SELECT t.document_id, t.task_index
         FROM targets t
         WHERE NOT t.is_new
         UNION ALL
         SELECT d.id, NULL
         FROM documents d
         WHERE $2 AND d.source = $1
           AND d.project IN (SELECT project FROM targets)
           AND NOT EXISTS (SELECT FROM targets t WHERE t.document_id = d.id)",
    )
    .bind(SOURCE)
    .bind(whole)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql(
        "ANALYZE concerned;
         CREATE TEMPORARY TABLE withdrawn (
             document_id uuid NOT NULL,
             field       text NOT NULL,
             -- NULL: unreviewed
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
             JOIN concerned c USING (document_id)
             ORDER BY a.document_id, a.field
             FOR UPDATE OF a
         ) locked",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the events and brings the states up to date. Returns the number of events. The position lock must be held.
pub(super) async fn withdraw(conn: &mut PgConnection, actor: &str, import: Uuid, started_at: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO withdrawn (document_id, field, accepted, predicted, spans, reviewer, occurred_at)
         SELECT document_id, field, said, predicted, spans, reviewer, occurred_at
         FROM (
             SELECT s.document_id, s.field, s.accepted_value, s.predicted_value AS predicted, r.reviewer, a.spans, a.open,
                    CASE WHEN r.task_index IS NULL THEN NULL
                         WHEN a.has_control OR NOT f.has_control THEN coalesce(a.value, '{}')
                         ELSE '{}' END AS said,
                    -- newer than what it replaces
                    greatest($2, e.occurred_at + interval '1 microsecond') AS occurred_at
             FROM concerned c
             JOIN annotations s USING (document_id)
             JOIN annotation_events e ON e.position = s.event_position AND e.source = $1
             LEFT JOIN targets t ON t.document_id = c.document_id
             LEFT JOIN staged_reviews r ON r.task_index = c.task_index AND r.latest
             LEFT JOIN project_fields f ON f.project = t.project AND f.field = s.field
             LEFT JOIN staged_answers a ON a.task_index = r.task_index AND a.source_ref = r.source_ref AND a.field = s.field
         ) states
         WHERE open IS NOT TRUE
           AND CASE WHEN said IS NULL OR accepted_value IS NULL THEN (said IS NULL) <> (accepted_value IS NULL)
                    ELSE NOT (said @> accepted_value AND said <@ accepted_value) END",
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
         FROM withdrawn"
    ))
    .bind(SOURCE)
    .bind(import)
    .bind(actor)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT document_id, field FROM withdrawn")).execute(&mut *conn).await?;
    sqlx::raw_sql("DROP TABLE concerned, withdrawn").execute(conn).await?;
    Ok(events.rows_affected())
}
