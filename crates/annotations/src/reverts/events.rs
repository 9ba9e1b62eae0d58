//! Withdraws review events.

use sqlx::PgConnection;

/// Withdraws the events that reverted imports wrote and no other import repeated, together with their normalized forms. Returns their
/// number. The position lock must be held.
pub(super) async fn withdraw(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(concat!(
        "WITH RECURSIVE gone AS (
             SELECT e.position, e.document_id, e.field
             FROM revert_targets t
             JOIN annotation_events e USING (document_id)
             WHERE (e.withdrawals IS NULL OR cardinality(e.withdrawals) % 2 = 0)
               AND ",
        in_reverted_import!("e.position"),
        "
               AND NOT EXISTS (
                   SELECT FROM import_documents k
                   WHERE k.document_id = e.document_id AND e.position = ANY(k.events) AND NOT ",
        is_reverted!("k.import_id"),
        "
               )
             UNION
             SELECT n.position, n.document_id, n.field
             FROM gone g
             JOIN annotation_events n ON n.document_id = g.document_id AND n.field = g.field AND n.source = 'aprendiz'
                                         AND n.source_ref = 'normalize:' || g.position
             WHERE n.withdrawals IS NULL OR cardinality(n.withdrawals) % 2 = 0
         ), at AS MATERIALIZED (SELECT nextval('positions') AS position FROM (SELECT FROM gone LIMIT 1) any_gone),
         withdrawn AS (
             UPDATE annotation_events e
             SET withdrawals = coalesce(e.withdrawals, '{}') || at.position
             FROM gone g, at
             WHERE e.position = g.position
             RETURNING e.document_id, e.field
         ), touched AS (
             INSERT INTO revert_touched (document_id, field) SELECT DISTINCT document_id, field FROM withdrawn
         ), affected AS (
             INSERT INTO revert_affected (document_id) SELECT DISTINCT document_id FROM withdrawn
         )
         SELECT count(*) FROM withdrawn"
    ))
    .fetch_one(conn)
    .await
}
