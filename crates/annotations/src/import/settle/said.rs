//! Moves events that say themselves what they are about (`import/said`) to their place, and derives the states that follow.

use sqlx::{PgConnection, Row};

use crate::import::report::NewField;
use crate::import::said::SaidColumns;
use crate::state::derive_states;

const CREATE: &str = r#"
CREATE TEMPORARY TABLE staged_said (
    task_index  bigint NOT NULL,
    -- filled in once it is known
    document_id uuid,
    field       text NOT NULL,
    kind        field_kind,
    value       text[] NOT NULL,
    -- NULL = follows from the prediction there is
    status      review_status,
    spans       jsonb,
    reviewer    text,
    note        text,
    source      text NOT NULL,
    source_ref  text NOT NULL,
    occurred_at timestamptz NOT NULL
) ON COMMIT DROP;

-- what fields are, where a task says so
CREATE TEMPORARY TABLE staged_fields (
    task_index bigint NOT NULL,
    field      text NOT NULL,
    kind       field_kind NOT NULL,
    many       boolean NOT NULL
) ON COMMIT DROP;

-- fields of documents whose state may change
CREATE TEMPORARY TABLE touched_by_said (
    document_id uuid NOT NULL,
    field       text NOT NULL
) ON COMMIT DROP;
"#;

pub(in crate::import) async fn create(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CREATE).execute(conn).await?;
    Ok(())
}

pub(in crate::import) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("DROP TABLE staged_said, staged_fields, touched_by_said").execute(conn).await?;
    Ok(())
}

/// Copies events into the table.
pub(in crate::import) async fn stage(conn: &mut PgConnection, said: &SaidColumns) -> Result<(), sqlx::Error> {
    if !said.fields.field.is_empty() {
        sqlx::query(
            "INSERT INTO staged_fields (task_index, field, kind, many)
             SELECT f.task_index, f.field, f.kind::field_kind, f.many
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[]) AS f (task_index, field, kind, many)",
        )
        .bind(&said.fields.task_index)
        .bind(&said.fields.field)
        .bind(&said.fields.kind)
        .bind(&said.fields.many)
        .execute(&mut *conn)
        .await?;
    }
    if said.field.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO staged_said (task_index, field, kind, value, status, spans, reviewer, note, source, source_ref, occurred_at)
         SELECT s.task_index, s.field, s.kind::field_kind, s.value::text[], s.status::review_status, s.spans::jsonb, s.reviewer, s.note,
                s.source, s.source_ref, s.occurred_at
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                     $10::text[], $11::timestamptz[])
              AS s (task_index, field, kind, value, status, spans, reviewer, note, source, source_ref, occurred_at)",
    )
    .bind(&said.task_index)
    .bind(&said.field)
    .bind(&said.kind)
    .bind(&said.value)
    .bind(&said.status)
    .bind(&said.spans)
    .bind(&said.reviewer)
    .bind(&said.note)
    .bind(&said.source)
    .bind(&said.source_ref)
    .bind(&said.occurred_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the file has events that say themselves what they are about: it is an export of ours then.
pub(in crate::import) async fn any(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM staged_said)").fetch_one(conn).await
}

/// Finds the documents of the events among the targets of an import, and creates the fields that they name, as what the tasks say that
/// they are, or as what their values look like.
pub(in crate::import) async fn find_targets(conn: &mut PgConnection) -> Result<Vec<NewField>, sqlx::Error> {
    sqlx::raw_sql(
        "UPDATE staged_said s SET document_id = t.document_id FROM targets t WHERE t.task_index = s.task_index;
         ANALYZE staged_said (document_id, field)",
    )
    .execute(&mut *conn)
    .await?;
    let created = sqlx::query(
        "INSERT INTO fields (name, kind, cardinality)
         SELECT field,
                CASE WHEN bool_or(kind = 'categorical') THEN 'categorical'
                     WHEN bool_and(kind = 'date') THEN 'date'
                     WHEN bool_and(kind = 'number') THEN 'number'
                     ELSE 'text' END::field_kind,
                CASE WHEN bool_or(cardinality(value) > 1) THEN 'many' ELSE 'one' END::field_cardinality
         FROM (
             SELECT s.field, s.kind, s.value
             FROM staged_said s
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
    .await?;
    created
        .iter()
        .map(|row| Ok(NewField { name: row.try_get("name")?, kind: row.try_get("kind")?, cardinality: row.try_get("cardinality")? }))
        .collect()
}

/// Leaves only events that are not there, and locks the states that they and changed predictions may change.
pub(in crate::import) async fn hold_states(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    for statement in [
        "DELETE FROM staged_said s
         USING annotation_events e
         WHERE e.document_id = s.document_id AND e.field = s.field AND e.source = s.source AND e.source_ref = s.source_ref
           AND e.occurred_at = s.occurred_at",
        "INSERT INTO touched_by_said (document_id, field) SELECT document_id, field FROM staged_said WHERE document_id IS NOT NULL",
        // a reviewer may be about to write the first state of a field of an old document: waited for here, not under the lock on
        // positions. New documents are not visible to anybody yet
        "INSERT INTO annotations (document_id, field, review_status)
         SELECT DISTINCT s.document_id, s.field, 'UNREVIEWED'::review_status
         FROM touched_by_said s
         WHERE NOT EXISTS (SELECT FROM targets t WHERE t.document_id = s.document_id AND t.is_new)
         ORDER BY s.document_id, s.field
         ON CONFLICT DO NOTHING",
        "SELECT count(*)
         FROM (
             SELECT FROM annotations a
             JOIN (SELECT DISTINCT document_id, field FROM touched_by_said) s USING (document_id, field)
             ORDER BY a.document_id, a.field
             FOR UPDATE OF a
         ) locked",
    ] {
        sqlx::raw_sql(statement).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Writes the events in the order of their times and brings the states up to date. Returns the number of events. The lock on positions
/// must be held.
pub(in crate::import) async fn insert(conn: &mut PgConnection, actor: &str) -> Result<u64, sqlx::Error> {
    let events = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, reviewer, note, source, source_ref, occurred_at, actor)
         SELECT nextval('positions'), document_id, field, value, coalesce(told, ",
        crate::state::status!(),
        "), spans, reviewer, note, source, source_ref, occurred_at, $1
         FROM (
             SELECT s.document_id, s.field, s.value, s.value AS accepted, p.value AS predicted, s.status AS told, s.spans, s.reviewer, s.note,
                    s.source, s.source_ref, s.occurred_at
             FROM staged_said s
             LEFT JOIN LATERAL (
                 SELECT x.value
                 FROM extractions x
                 WHERE x.document_id = s.document_id AND x.field = s.field
                 ORDER BY x.predicted_at DESC, x.extractor_version DESC
                 LIMIT 1
             ) p ON true
             WHERE s.document_id IS NOT NULL
             ORDER BY s.occurred_at, s.task_index, s.source_ref, s.field
         ) ordered
         ON CONFLICT (document_id, field, source, source_ref, occurred_at) DO NOTHING"
    ))
    .bind(actor)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT DISTINCT document_id, field FROM touched_by_said")).execute(conn).await?;
    Ok(events.rows_affected())
}
