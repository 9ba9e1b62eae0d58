//! Predictions, the events of reviews, and the current state that follows from them.
//!
//! Values are compared as sets. Where they are equal, `annotations` keeps the prediction in the reviewer's order, so that its
//! constraint can compare arrays; `extractions` keeps it as the extractor gave it.
//!
//! Of a new document everything that is known is in the file, and nobody else sees it yet: its rows are written as they are. Of one that
//! was there before, only what changes is written, and its states are derived from all that is stored.

use sqlx::{PgConnection, Row};

use crate::import::label_studio::SOURCE;
use crate::state::{derive_states, status};

/// All that needs no position: stores predictions, finds out which events are new, locks the states that will change.
pub(super) async fn prepare(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    store_predictions(conn).await?;
    find_new_events(conn).await?;
    sqlx::query("INSERT INTO touched (document_id, field) SELECT DISTINCT document_id, field FROM new_events WHERE NOT is_new")
        .execute(&mut *conn)
        .await?;
    sqlx::raw_sql("ANALYZE touched; ANALYZE new_events (document_id, is_new)").execute(&mut *conn).await?;
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
    // a span without a value of the field's own control predicts nothing; marks: `Marks` in batch.rs
    sqlx::query(
        "INSERT INTO extractions (document_id, field, extractor_version, value, confidence, predicted_at)
         SELECT t.document_id, p.field, p.extractor_version, p.value, p.confidence, p.predicted_at
         FROM staged_predictions p
         JOIN targets t USING (task_index)
         JOIN seen_fields f USING (field)
         WHERE t.is_new AND p.marks & CASE WHEN f.has_control THEN 8 ELSE 4 END <> 0",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "WITH stored AS (
             INSERT INTO extractions AS x (document_id, field, extractor_version, value, confidence, predicted_at)
             SELECT t.document_id, p.field, p.extractor_version, p.value, p.confidence, p.predicted_at
             FROM staged_predictions p
             JOIN targets t USING (task_index)
             JOIN seen_fields f USING (field)
             WHERE NOT t.is_new AND p.marks & CASE WHEN f.has_control THEN 8 ELSE 4 END <> 0
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

/// What the events of new and of old documents have in common. Reviews are numbered in the order of their times, and the fields of a
/// project within each: so positions follow from numbers, without sorting the events themselves.
macro_rules! events_of_reviews {
    ($predicted:literal, $joined:literal, $condition:literal) => {
        concat!(
            "INSERT INTO new_events
                 (number, document_id, is_new, latest, field, value, predicted, spans, reviewer, source_ref, occurred_at)
             SELECT r.number * (SELECT max(place) + 1 FROM project_fields) + f.place, t.document_id, t.is_new, r.latest, f.field,
                    -- spans alone are the value only of a field that has no control of its own
                    CASE WHEN a.has_control OR NOT f.has_control THEN coalesce(a.value, '{}') ELSE '{}' END, ",
            $predicted,
            ", a.spans, r.reviewer, r.source_ref, r.occurred_at
             FROM (
                 SELECT *, row_number() OVER (ORDER BY occurred_at, task_index, source_ref COLLATE \"C\") - 1 AS number
                 FROM staged_reviews
             ) r
             JOIN targets t USING (task_index)
             JOIN project_fields f USING (project)
             LEFT JOIN staged_answers a ON a.task_index = r.task_index AND a.source_ref = r.source_ref AND a.field = f.field ",
            $joined,
            " WHERE a.open IS NOT TRUE AND ",
            $condition
        )
    };
}

/// A review answers every field of its project: those without an item by "no value".
async fn find_new_events(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(events_of_reviews!(
        "p.value",
        "LEFT JOIN staged_predictions p ON p.task_index = r.task_index AND p.field = f.field
                                           AND p.marks & CASE WHEN f.has_control THEN 2 ELSE 1 END <> 0",
        "t.is_new"
    ))
    .execute(&mut *conn)
    .await?;
    sqlx::query(events_of_reviews!(
        "NULL",
        "",
        "NOT t.is_new
         AND NOT EXISTS (
             SELECT FROM annotation_events e
             WHERE e.document_id = t.document_id AND e.field = f.field AND e.source = $1
               AND e.source_ref = r.source_ref AND e.occurred_at = r.occurred_at
         )"
    ))
    .bind(SOURCE)
    .execute(&mut *conn)
    .await?;
    // where the newest review leaves a field open, an earlier one may speak
    sqlx::query(
        "INSERT INTO touched (document_id, field)
         SELECT t.document_id, a.field
         FROM staged_answers a
         JOIN staged_reviews r USING (task_index, source_ref)
         JOIN targets t USING (task_index)
         WHERE a.open AND r.latest AND t.is_new",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the new events in the order of their times and brings the current state up to date. Returns the number of events.
///
/// The position lock must be held: what is read here is then all there is.
pub(super) async fn insert(conn: &mut PgConnection, actor: &str) -> Result<u64, sqlx::Error> {
    let first = draw_positions(conn).await?;
    let of_new = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, reviewer, source, source_ref, occurred_at, actor)
         SELECT $1 + number, document_id, field, accepted, ",
        status!(),
        ", spans, reviewer, $2, source_ref, occurred_at, $3
         FROM (
             SELECT number, document_id, field, value AS accepted, predicted, spans, reviewer, source_ref, occurred_at
             FROM new_events
             WHERE is_new
         ) e"
    ))
    .bind(first)
    .bind(SOURCE)
    .bind(actor)
    .execute(&mut *conn)
    .await?;
    let of_old = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, reviewer, source, source_ref, occurred_at, actor)
         SELECT $1 + number, document_id, field, accepted, ",
        status!(),
        ", spans, reviewer, $2, source_ref, occurred_at, $3
         FROM (
             SELECT n.number, n.document_id, n.field, n.value AS accepted, p.value AS predicted, n.spans, n.reviewer, n.source_ref, n.occurred_at
             FROM new_events n
             LEFT JOIN predicted p USING (document_id, field)
             WHERE NOT n.is_new
         ) e
         -- a webhook may have told us meanwhile
         ON CONFLICT (document_id, field, source, source_ref, occurred_at) DO NOTHING"
    ))
    .bind(first)
    .bind(SOURCE)
    .bind(actor)
    .execute(&mut *conn)
    .await?;
    insert_new_states(conn, first).await?;
    sqlx::query(derive_states!("SELECT DISTINCT document_id, field FROM touched", "LEFT JOIN predicted p USING (document_id, field)"))
        .execute(conn)
        .await?;
    Ok(of_new.rows_affected() + of_old.rows_affected())
}

/// The first of as many positions as the new events can take. Whoever draws positions holds the lock, so nobody draws in between.
async fn draw_positions(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(
        "SELECT next.first, CASE WHEN next.count > 1 THEN setval('positions', next.first + next.count - 1) END
         FROM (SELECT nextval('positions') AS first, (SELECT coalesce(max(number), 0) + 1 FROM new_events) AS count) next",
    )
    .fetch_one(conn)
    .await?;
    row.try_get("first")
}

/// The states of the fields of new documents: by the newest review, or by the newest prediction where there is no review.
async fn insert_new_states(conn: &mut PgConnection, first: i64) -> Result<(), sqlx::Error> {
    sqlx::query(concat!(
        "INSERT INTO annotations
             (document_id, field, predicted_value, accepted_value, spans, review_status, reviewer, event_position, occurred_at)
         SELECT document_id, field, CASE WHEN status = 'OK' THEN accepted ELSE predicted END, accepted, spans, status, reviewer, position,
                occurred_at
         FROM (
             SELECT *, ",
        status!(),
        " AS status
             FROM (
                 SELECT document_id, field, value AS accepted, predicted, spans, reviewer, $1 + number AS position, occurred_at
                 FROM new_events
                 WHERE is_new AND latest
             ) e
         ) states"
    ))
    .bind(first)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO annotations (document_id, field, predicted_value, review_status)
         SELECT t.document_id, p.field, p.value, 'UNREVIEWED'
         FROM staged_predictions p
         JOIN targets t USING (task_index)
         JOIN seen_fields f USING (field)
         WHERE t.is_new AND p.marks & CASE WHEN f.has_control THEN 2 ELSE 1 END <> 0
           AND NOT EXISTS (SELECT FROM staged_reviews r WHERE r.task_index = t.task_index)",
    )
    .execute(conn)
    .await?;
    Ok(())
}
