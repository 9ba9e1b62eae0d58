//! Merges explicit per-field reviews, and derives the states that follow.

use aprendiz_annotation_types::ReasonGroup;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::import::report::NewField;
use crate::state_sql::{derive_states, status};

/// Whether the file has explicit reviews, that is, whether it is an Aprendiz export.
pub(in crate::import) async fn any(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM staged_review_events)").fetch_one(conn).await
}

/// Assigns the events to the documents of the import, and creates their fields: as the tasks define them, or else inferred from the values.
pub(in crate::import) async fn find_targets(conn: &mut PgConnection) -> Result<Vec<NewField>, sqlx::Error> {
    sqlx::raw_sql(
        "UPDATE staged_review_events s SET document_id = t.document_id FROM targets t WHERE t.task_index = s.task_index;
         ANALYZE staged_review_events (document_id, field)",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query_as(
        "INSERT INTO fields (name, kind, cardinality)
         SELECT field,
                CASE WHEN bool_or(kind = 'categorical') THEN 'categorical'
                     WHEN bool_and(kind = 'date') THEN 'date'
                     WHEN bool_and(kind = 'number') THEN 'number'
                     ELSE 'text' END::field_kind,
                CASE WHEN bool_or(cardinality(value) > 1) THEN 'many' ELSE 'one' END::field_cardinality
         FROM (
             SELECT s.field, s.kind, s.value
             FROM staged_review_events s
             WHERE s.document_id IS NOT NULL AND NOT EXISTS (SELECT FROM staged_fields f WHERE f.field = s.field)
             UNION ALL
             SELECT DISTINCT f.field, f.kind, CASE WHEN f.many THEN '{a,b}'::text[] ELSE '{}' END
             FROM staged_fields f
             JOIN targets t USING (task_index)
         ) named
         GROUP BY field
         ORDER BY field
         ON CONFLICT (name) DO NOTHING
         RETURNING name, kind, cardinality",
    )
    .fetch_all(conn)
    .await
}

/// Describes reviews that were not merged because a stored one has the same id and time but another value. Each row has an `example` and
/// the `total` number.
pub(super) fn describe_changed(rows: &[PgRow], remedy: &str) -> Result<Option<ReasonGroup>, sqlx::Error> {
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(ReasonGroup {
        reason: format!("a review has the id and time of a stored one but another value; the stored value was kept: {remedy}"),
        count: first.try_get::<i64, _>("total")?.unsigned_abs(),
        examples: rows.iter().map(|row| row.try_get("example")).collect::<Result<_, _>>()?,
    }))
}

/// Drops events that are already stored, and locks the states that new events and changed predictions may change. Returns the events that
/// differ from the stored ones.
pub(in crate::import) async fn lock_states(conn: &mut PgConnection) -> Result<Option<ReasonGroup>, sqlx::Error> {
    let changed = sqlx::query(
        "WITH stored AS (
             DELETE FROM staged_review_events s
             USING annotation_events e
             WHERE e.document_id = s.document_id AND e.field = s.field AND e.source = s.source AND e.source_ref = s.source_ref
               AND e.occurred_at = s.occurred_at
             RETURNING s.task_index, s.document_id, s.field, s.source_ref,
                       NOT e.erased
                       AND (NOT (e.value @> s.value AND e.value <@ s.value)
                            OR s.status IS NOT NULL AND (s.status = 'UNREVIEWED') <> (e.review_status = 'UNREVIEWED')) AS differs
         )
         SELECT count(*) OVER () AS total, 'task ' || d.task_id || ', ' || s.source_ref || ', ' || s.field AS example
         FROM stored s
         JOIN documents d ON d.id = s.document_id
         WHERE s.differs
         ORDER BY s.task_index, s.source_ref COLLATE \"C\", s.field COLLATE \"C\"
         LIMIT 5",
    )
    .fetch_all(&mut *conn)
    .await?;
    for statement in [
        "INSERT INTO touched_by_review_events (document_id, field) SELECT document_id, field FROM staged_review_events WHERE document_id IS NOT NULL",
        // a reviewer may be writing the first state of a field of an existing document: wait here, not while holding the lock on positions.
        // New documents are not visible to others yet
        "INSERT INTO annotations (document_id, field, review_status)
         SELECT DISTINCT s.document_id, s.field, 'UNREVIEWED'::review_status
         FROM touched_by_review_events s
         WHERE NOT EXISTS (SELECT FROM targets t WHERE t.document_id = s.document_id AND t.is_new)
         ORDER BY s.document_id, s.field
         ON CONFLICT DO NOTHING",
        "SELECT count(*)
         FROM (
             SELECT FROM annotations a
             JOIN (SELECT DISTINCT document_id, field FROM touched_by_review_events) s USING (document_id, field)
             ORDER BY a.document_id, a.field
             FOR UPDATE OF a
         ) locked",
    ] {
        sqlx::raw_sql(statement).execute(&mut *conn).await?;
    }
    describe_changed(&changed, "give the review a later time")
}

/// Inserts the events in the order of their times and derives the states. Returns the number of events. The position lock must be held.
pub(in crate::import) async fn insert(conn: &mut PgConnection, actor: &str) -> Result<u64, sqlx::Error> {
    let events = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, reviewer, note, source, source_ref, occurred_at, actor)
         SELECT nextval('positions'), document_id, field, value, coalesce(given_status, ",
        status!(),
        "), spans, reviewer, note, source, source_ref, occurred_at, $1
         FROM (
             SELECT s.document_id, s.field, s.value, s.value AS accepted, p.value AS predicted, s.status AS given_status, s.spans, s.reviewer, s.note,
                    s.source, s.source_ref, s.occurred_at
             FROM staged_review_events s
             LEFT JOIN LATERAL (
                 SELECT x.value
                 FROM extractions x
                 WHERE x.document_id = s.document_id AND x.field = s.field
                 ORDER BY x.predicted_at DESC, x.extractor_version DESC
                 LIMIT 1
             ) p ON true
             WHERE s.document_id IS NOT NULL
             ORDER BY s.occurred_at, s.task_index, octet_length(s.source_ref), s.source_ref COLLATE \"C\", s.field
         ) ordered
         ON CONFLICT (document_id, field, source, source_ref, occurred_at) DO NOTHING"
    ))
    .bind(actor)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT DISTINCT document_id, field FROM touched_by_review_events")).execute(conn).await?;
    Ok(events.rows_affected())
}
