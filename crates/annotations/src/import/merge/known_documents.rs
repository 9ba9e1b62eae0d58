//! What an import says about documents that existed before it, so that reverting another import does not take it away.
//!
//! A withdrawn document, event or prediction that a file contains again is restored.

use sqlx::PgConnection;
use uuid::Uuid;

const CREATE: &str = "
-- stored events that the file repeats
CREATE TEMPORARY TABLE known_events (
    document_id  uuid NOT NULL,
    field        text NOT NULL,
    position     bigint NOT NULL,
    is_withdrawn boolean NOT NULL
) ON COMMIT DROP";

pub(super) async fn create(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CREATE).execute(conn).await?;
    Ok(())
}

pub(super) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("DROP TABLE known_events").execute(conn).await?;
    Ok(())
}

/// Finds the stored events that the reviews of the file repeat. Those that are withdrawn are touched.
pub(super) async fn find_repeated_reviews(conn: &mut PgConnection, source: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO known_events (document_id, field, position, is_withdrawn)
         SELECT e.document_id, e.field, e.position, cardinality(e.withdrawals) % 2 = 1 IS TRUE
         FROM targets t
         JOIN staged_reviews r USING (task_index)
         JOIN project_fields f USING (project)
         JOIN annotation_events e ON e.document_id = t.document_id AND e.field = f.field AND e.source = $1
                                     AND e.source_ref = r.source_ref AND e.occurred_at = r.occurred_at
         WHERE NOT t.is_new",
    )
    .bind(source)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("INSERT INTO touched (document_id, field) SELECT DISTINCT document_id, field FROM known_events WHERE is_withdrawn")
        .execute(conn)
        .await?;
    Ok(())
}

/// Finds the stored events that the explicit reviews of the file repeat. Those that are withdrawn are touched.
pub(super) async fn find_repeated_events(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(
        "WITH repeated AS (
             INSERT INTO known_events (document_id, field, position, is_withdrawn)
             SELECT e.document_id, e.field, e.position, cardinality(e.withdrawals) % 2 = 1 IS TRUE
             FROM staged_review_events s
             JOIN annotation_events e ON e.document_id = s.document_id AND e.field = s.field AND e.source = s.source
                                         AND e.source_ref = s.source_ref AND e.occurred_at = s.occurred_at
             RETURNING document_id, field, is_withdrawn
         )
         INSERT INTO touched_by_review_events (document_id, field) SELECT DISTINCT document_id, field FROM repeated WHERE is_withdrawn",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Restores the withdrawn events that the file repeats, together with their normalized forms. The position lock must be held.
pub(super) async fn restore_events(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(
        "WITH RECURSIVE restored AS (
             SELECT position, document_id, field FROM known_events WHERE is_withdrawn
             UNION
             SELECT n.position, n.document_id, n.field
             FROM restored r
             JOIN annotation_events n ON n.document_id = r.document_id AND n.field = r.field AND n.source = 'aprendiz'
                                         AND n.source_ref = 'normalize:' || r.position
             WHERE cardinality(n.withdrawals) % 2 = 1
         ), at AS MATERIALIZED (SELECT nextval('positions') AS position FROM (SELECT FROM restored LIMIT 1) any_restored)
         UPDATE annotation_events e
         SET withdrawals = e.withdrawals || at.position
         FROM restored r, at
         WHERE e.position = r.position",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records what the import says about existing documents, and which of them it restored. Their texts and details must be stored.
pub(super) async fn record(conn: &mut PgConnection, import: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO import_documents (import_id, document_id, text_version, details_version, events, predictions)
         SELECT $1, t.document_id,
                (SELECT max(version) FROM document_texts v WHERE v.document_id = t.document_id),
                coalesce((SELECT max(version) FROM document_details v WHERE v.document_id = t.document_id), 0),
                coalesce(e.positions, '{}'), coalesce(p.hashes, '{}')
         FROM targets t
         LEFT JOIN (SELECT document_id, array_agg(position ORDER BY position) AS positions FROM known_events GROUP BY document_id) e
                   USING (document_id)
         LEFT JOIN (
             SELECT s.task_index, array_agg(prediction_hash(s.field, s.extractor_version, s.value)) AS hashes
             FROM staged_predictions s
             JOIN targets known ON known.task_index = s.task_index AND NOT known.is_new
             GROUP BY s.task_index
         ) p ON p.task_index = t.task_index
         WHERE NOT t.is_new
         ORDER BY t.document_id",
    )
    .bind(import)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO document_withdrawals (document_id, position, import_id, effect)
         SELECT r.document_id, nextval('positions'), $1, 'restored'
         FROM (
             SELECT document_id FROM targets WHERE returns
             UNION
             SELECT document_id FROM known_events WHERE is_withdrawn
         ) r",
    )
    .bind(import)
    .execute(conn)
    .await?;
    Ok(())
}
