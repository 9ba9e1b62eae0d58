//! Merges predictions and reviews, and derives the current state of their fields.
//!
//! Values are compared as sets. If they are equal, `annotations` keeps the prediction in the order of the accepted value, so that its check
//! constraint can compare arrays; `extractions` keeps the original order.
//!
//! The file has everything about a new document, which is not visible to others yet: its rows are inserted directly. Of an existing
//! document only changes are written, and its states are derived from all stored events and predictions.

use aprendiz_annotation_types::ReasonGroup;
use aprendiz_label_studio::SOURCE;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::import::merge::known_documents;
use crate::import::merge::review_events::describe_changed;
use crate::state_sql::{derive_states, status};

/// Does everything that needs no position: stores predictions, finds new events, and locks the states that will change. Returns the reviews
/// that differ from stored ones with the same id and time.
pub(super) async fn stage(conn: &mut PgConnection, import: Uuid) -> Result<Option<ReasonGroup>, sqlx::Error> {
    store_predictions(conn, import).await?;
    find_new_events(conn).await?;
    let changed = take_changed_events(conn).await?;
    sqlx::query("INSERT INTO touched (document_id, field) SELECT DISTINCT document_id, field FROM new_events WHERE NOT is_new")
        .execute(&mut *conn)
        .await?;
    known_documents::find_repeated_reviews(conn, SOURCE).await?;
    sqlx::raw_sql("ANALYZE touched; ANALYZE new_events (document_id, is_new)").execute(&mut *conn).await?;
    // a reviewer may be writing the first state of a field of an existing document and wait for the position lock: wait for the reviewer
    // here, not while holding that lock. New documents are not visible to others yet
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
    Ok(changed)
}

/// Removes the reviews that differ from stored ones with the same id and time, and describes them.
async fn take_changed_events(conn: &mut PgConnection) -> Result<Option<ReasonGroup>, sqlx::Error> {
    let rows = sqlx::query(
        "WITH changed AS (
             DELETE FROM new_events WHERE stored_value IS NOT NULL RETURNING number, document_id, field, source_ref, value, stored_value
         )
         SELECT count(*) OVER () AS total, 'task ' || d.task_id || ', ' || replace(c.source_ref, ':', ' ') || ', ' || c.field AS example
         FROM changed c
         JOIN documents d ON d.id = c.document_id
         -- values are sets
         WHERE NOT (c.value @> c.stored_value AND c.value <@ c.stored_value)
           AND comparable_values(c.value) <> comparable_values(c.stored_value)
         ORDER BY c.number
         LIMIT 5",
    )
    .fetch_all(conn)
    .await?;
    describe_changed(&rows, "import with `mirror`, or save the annotation again in Label Studio and export it")
}

/// Stores predictions. A prediction replaces an older one of the same extractor version, never a newer one, and never one that a run wrote
/// with a published version: a file that was exported from here repeats it, with one confidence for the whole document.
async fn store_predictions(conn: &mut PgConnection, import: Uuid) -> Result<(), sqlx::Error> {
    // if a field has a control, spans alone predict nothing; the flags are those of `LatestFlags`
    sqlx::query(
        "INSERT INTO extractions (document_id, field, extractor_version, value, confidence, predicted_at, import_id)
         SELECT t.document_id, p.field, p.extractor_version, p.value, p.confidence, p.predicted_at, $1
         FROM staged_predictions p
         JOIN targets t USING (task_index)
         JOIN seen_fields f USING (field)
         WHERE t.is_new AND p.latest_flags & CASE WHEN f.has_control THEN 8 ELSE 4 END <> 0",
    )
    .bind(import)
    .execute(&mut *conn)
    .await?;
    // a revert of this import restores them
    sqlx::query(
        "INSERT INTO extraction_history
             (document_id, field, extractor_version, value, confidence, predicted_at, import_id, ended_by, is_withdrawn)
         SELECT x.document_id, x.field, x.extractor_version, x.value, x.confidence, x.predicted_at, x.import_id, $1, false
         FROM staged_predictions p
         JOIN targets t USING (task_index)
         JOIN seen_fields f USING (field)
         JOIN extractions x ON x.document_id = t.document_id AND x.field = p.field AND x.extractor_version = p.extractor_version
         WHERE NOT t.is_new AND p.latest_flags & CASE WHEN f.has_control THEN 8 ELSE 4 END <> 0
           AND x.run_id IS NULL AND x.predicted_at <= p.predicted_at
           AND (x.value, x.confidence, x.predicted_at) IS DISTINCT FROM (p.value, p.confidence, p.predicted_at)",
    )
    .bind(import)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "WITH stored AS (
             INSERT INTO extractions AS x (document_id, field, extractor_version, value, confidence, predicted_at, import_id)
             SELECT t.document_id, p.field, p.extractor_version, p.value, p.confidence, p.predicted_at, $1
             FROM staged_predictions p
             JOIN targets t USING (task_index)
             JOIN seen_fields f USING (field)
             WHERE NOT t.is_new AND p.latest_flags & CASE WHEN f.has_control THEN 8 ELSE 4 END <> 0
             ON CONFLICT (document_id, field, extractor_version) DO UPDATE
             SET value = excluded.value, confidence = excluded.confidence, predicted_at = excluded.predicted_at,
                 import_id = excluded.import_id
             WHERE x.run_id IS NULL AND x.predicted_at <= excluded.predicted_at
               AND (x.value, x.confidence, x.predicted_at) IS DISTINCT FROM (excluded.value, excluded.confidence, excluded.predicted_at)
             RETURNING x.document_id, x.field
         )
         INSERT INTO touched (document_id, field)
         SELECT DISTINCT document_id, field FROM stored",
    )
    .bind(import)
    .execute(conn)
    .await?;
    Ok(())
}

/// The common part of finding the events of new and of existing documents. Reviews are numbered by time, and the fields of a project within
/// each review. Positions follow from these numbers without sorting the events.
macro_rules! events_of_reviews {
    ($predicted:literal, $stored:literal, $joined:literal, $condition:literal) => {
        concat!(
            "INSERT INTO new_events
                 (number, document_id, is_new, latest, field, value, predicted, spans, reviewer, source_ref, occurred_at, stored_value)
             SELECT r.number * (SELECT max(field_index) + 1 FROM project_fields) + f.field_index, t.document_id, t.is_new, r.latest, f.field,
                    -- spans alone are a value only of a field without a control of its own
                    CASE WHEN a.has_control OR NOT f.has_control THEN coalesce(a.value, '{}') ELSE '{}' END, ",
            $predicted,
            ", a.spans, r.reviewer, r.source_ref, r.occurred_at, ",
            $stored,
            "
             FROM (
                 SELECT *, row_number() OVER (ORDER BY occurred_at, task_index, octet_length(source_ref), source_ref COLLATE \"C\") - 1 AS number
                 FROM staged_reviews
             ) r
             JOIN targets t USING (task_index)
             JOIN project_fields f USING (project)
             LEFT JOIN staged_values a ON a.task_index = r.task_index AND a.source_ref = r.source_ref AND a.field = f.field ",
            $joined,
            // labelled spans do not decide about a field with a control of its own, whether they can be read or not
            " WHERE (a.unresolved AND (a.has_control OR NOT f.has_control)) IS NOT TRUE AND ",
            $condition
        )
    };
}

/// Finds new events. A review covers every field of its project: a field without a result item has no value.
async fn find_new_events(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(events_of_reviews!(
        "p.value",
        "NULL",
        "LEFT JOIN staged_predictions p ON p.task_index = r.task_index AND p.field = f.field
                                           AND p.latest_flags & CASE WHEN f.has_control THEN 2 ELSE 1 END <> 0",
        "t.is_new"
    ))
    .execute(&mut *conn)
    .await?;
    sqlx::query(events_of_reviews!(
        "NULL",
        "e.value",
        "LEFT JOIN annotation_events e ON e.document_id = t.document_id AND e.field = f.field AND e.source = $1
                                          AND e.source_ref = r.source_ref AND e.occurred_at = r.occurred_at",
        // a stored event with another value is staged too, to be reported
        "NOT t.is_new
         AND (e.position IS NULL
              OR NOT e.erased AND e.value IS DISTINCT FROM CASE WHEN a.has_control OR NOT f.has_control THEN coalesce(a.value, '{}') ELSE '{}' END)"
    ))
    .bind(SOURCE)
    .execute(&mut *conn)
    .await?;
    // if the latest review leaves a field unresolved, an earlier review may decide its state
    sqlx::query(
        "INSERT INTO touched (document_id, field)
         SELECT t.document_id, a.field
         FROM staged_values a
         JOIN staged_reviews r USING (task_index, source_ref)
         JOIN targets t USING (task_index)
         -- a place that cannot be read does not create its field
         WHERE a.unresolved AND r.latest AND t.is_new AND EXISTS (SELECT FROM fields f WHERE f.name = a.field)",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Inserts the new events in the order of their times and derives the current states. Returns the number of events.
///
/// The position lock must be held, so that all events are visible.
pub(super) async fn insert(conn: &mut PgConnection, actor: &str) -> Result<u64, sqlx::Error> {
    let first = reserve_positions(conn).await?;
    let for_new = sqlx::query(concat!(
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
    let for_existing = sqlx::query(concat!(
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
         -- an API client may have recorded the same event meanwhile
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
    Ok(for_new.rows_affected() + for_existing.rows_affected())
}

/// Reserves positions for the new events and returns the first. Positions are only drawn under the lock, so the range is contiguous.
async fn reserve_positions(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(
        "SELECT next.first, CASE WHEN next.count > 1 THEN setval('positions', next.first + next.count - 1) END
         FROM (SELECT nextval('positions') AS first, (SELECT coalesce(max(number), 0) + 1 FROM new_events) AS count) next",
    )
    .fetch_one(conn)
    .await?;
    row.try_get("first")
}

/// Inserts the states of new documents: from the latest review, or from the latest prediction if there is no review.
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
         WHERE t.is_new AND p.latest_flags & CASE WHEN f.has_control THEN 2 ELSE 1 END <> 0
           AND NOT EXISTS (SELECT FROM staged_reviews r WHERE r.task_index = t.task_index)",
    )
    .execute(conn)
    .await?;
    Ok(())
}
