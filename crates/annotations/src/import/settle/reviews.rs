//! Predictions, the events of reviews, and the current state that follows from them.
//!
//! Values are compared as sets. Where they are equal, `annotations` keeps the prediction in the reviewer's order, so that its
//! constraint can compare arrays; `extractions` keeps it as the extractor gave it.

use sqlx::PgConnection;

use crate::import::label_studio::SOURCE;
use crate::state::{derive_states, status};

/// All that needs no position: stores predictions, finds out which events are new, locks the states that will change.
pub(super) async fn prepare(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    store_predictions(conn).await?;
    find_new_events(conn).await?;
    sqlx::query("INSERT INTO touched (document_id, field) SELECT DISTINCT document_id, field FROM new_events").execute(&mut *conn).await?;
    sqlx::raw_sql("ANALYZE touched; ANALYZE new_events (document_id, field)").execute(&mut *conn).await?;
    // a reviewer may be about to write the first state of a field of an old document and wait for the position lock: wait for the
    // reviewer here, not while holding that lock. New documents are not visible to anybody yet
    sqlx::query(
        "INSERT INTO annotations (document_id, field, review_status)
         SELECT DISTINCT t.document_id, t.field, 'UNREVIEWED'::review_status
         FROM touched t
         JOIN targets d ON d.document_id = t.document_id AND NOT d.is_new
         WHERE NOT EXISTS (SELECT FROM annotations a WHERE a.document_id = t.document_id AND a.field = t.field)
         ORDER BY t.document_id, t.field
         ON CONFLICT DO NOTHING",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "SELECT count(*)
         FROM (
             SELECT FROM annotations a
             JOIN (SELECT DISTINCT document_id, field FROM touched) t USING (document_id, field)
             ORDER BY a.document_id, a.field
             FOR UPDATE OF a
         ) locked",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO predicted (document_id, field, value)
         SELECT DISTINCT ON (x.document_id, x.field) x.document_id, x.field, x.value
         FROM extractions x
         JOIN (SELECT DISTINCT document_id, field FROM touched) t USING (document_id, field)
         ORDER BY x.document_id, x.field, x.predicted_at DESC, x.extractor_version DESC",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("ANALYZE predicted (document_id, field)").execute(conn).await?;
    Ok(())
}

/// A prediction replaces an older one of the same extractor version; an older file does not undo a newer one.
async fn store_predictions(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH stored AS (
             INSERT INTO extractions AS x (document_id, field, extractor_version, value, confidence, predicted_at)
             SELECT DISTINCT ON (t.document_id, p.field, p.extractor_version)
                    t.document_id, p.field, p.extractor_version,
                    p.value, p.confidence, p.predicted_at
             FROM staged_predictions p
             JOIN targets t USING (task_index)
             JOIN seen_fields f USING (field)
             -- a span without a value of the field's own control predicts nothing
             WHERE p.has_control OR NOT f.has_control
             ORDER BY t.document_id, p.field, p.extractor_version, p.predicted_at DESC
             ON CONFLICT (document_id, field, extractor_version) DO UPDATE
             SET value = excluded.value, confidence = excluded.confidence, predicted_at = excluded.predicted_at
             WHERE x.predicted_at <= excluded.predicted_at
               AND (x.value, x.confidence, x.predicted_at) IS DISTINCT FROM (excluded.value, excluded.confidence, excluded.predicted_at)
             RETURNING x.document_id, x.field
         )
         INSERT INTO touched (document_id, field)
         SELECT DISTINCT document_id, field FROM stored",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A review answers every field of its project: those without an item by "no value".
async fn find_new_events(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO new_events (task_index, document_id, field, value, spans, reviewer, source_ref, occurred_at)
         SELECT t.task_index, t.document_id, f.field,
                -- spans alone are the value only of a field that has no control of its own
                CASE WHEN a.has_control OR NOT s.has_control THEN a.value ELSE '{}' END,
                a.spans, r.reviewer, r.source_ref, r.occurred_at
         FROM staged_reviews r
         JOIN targets t USING (task_index)
         JOIN project_fields f USING (project)
         LEFT JOIN seen_fields s ON s.field = f.field
         LEFT JOIN staged_answers a ON a.task_index = r.task_index AND a.source_ref = r.source_ref AND a.field = f.field
         WHERE a.open IS NOT TRUE
           AND NOT EXISTS (
               SELECT FROM annotation_events e
               WHERE e.document_id = t.document_id AND e.field = f.field AND e.source = $1
                 AND e.source_ref = r.source_ref AND e.occurred_at = r.occurred_at
           )",
    )
    .bind(SOURCE)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the new events in the order of their times and brings the current state up to date. Returns the number of events.
///
/// The position lock must be held: what is read here is then all there is.
pub(super) async fn insert(conn: &mut PgConnection, actor: &str) -> Result<u64, sqlx::Error> {
    let events = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, reviewer, source, source_ref, occurred_at, actor)
         SELECT nextval('positions'), document_id, field, accepted, ",
        status!(),
        ", spans, reviewer, $1, source_ref, occurred_at, $2
         FROM (
             SELECT n.document_id, n.field, n.value AS accepted, p.value AS predicted, n.spans, n.reviewer, n.source_ref, n.occurred_at
             FROM new_events n
             LEFT JOIN predicted p USING (document_id, field)
             ORDER BY n.occurred_at, n.task_index, n.source_ref, n.field
         ) ordered
         -- a webhook may have told us meanwhile
         ON CONFLICT (document_id, field, source, source_ref, occurred_at) DO NOTHING"
    ))
    .bind(SOURCE)
    .bind(actor)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT DISTINCT document_id, field FROM touched", "LEFT JOIN predicted p USING (document_id, field)"))
        .execute(conn)
        .await?;
    Ok(events.rows_affected())
}
