//! Withdraws predictions, and restores those that they replaced.

use sqlx::PgConnection;
use uuid::Uuid;

/// Moves the predictions of reverted imports that no other import repeats to the history. Returns their number.
pub(super) async fn withdraw(conn: &mut PgConnection, import: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::raw_sql(concat!(
        "CREATE TEMPORARY TABLE withdrawn_predictions ON COMMIT DROP AS
         SELECT x.*
         FROM revert_targets t
         JOIN extractions x USING (document_id)
         WHERE ",
        is_reverted!("x.import_id"),
        "
           AND NOT EXISTS (
               SELECT FROM import_documents k
               WHERE k.document_id = x.document_id AND prediction_hash(x.field, x.extractor_version, x.value) = ANY(k.predictions)
                 AND NOT ",
        is_reverted!("k.import_id"),
        "
           );
         DELETE FROM extractions x
         USING withdrawn_predictions w
         WHERE x.document_id = w.document_id AND x.field = w.field AND x.extractor_version = w.extractor_version"
    ))
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql(concat!(
        "INSERT INTO extractions (document_id, field, extractor_version, value, confidence, predicted_at, import_id)
         SELECT w.document_id, w.field, w.extractor_version, earlier.value, earlier.confidence, earlier.predicted_at, earlier.import_id
         FROM withdrawn_predictions w
         -- by the index, row by row: a join would read the whole history, which grows with every batch
         CROSS JOIN LATERAL (
             SELECT h.value, h.confidence, h.predicted_at, h.import_id
             FROM extraction_history h
             WHERE h.document_id = w.document_id AND h.field = w.field AND h.extractor_version = w.extractor_version
               AND NOT h.is_withdrawn AND (h.import_id IS NULL OR NOT ",
        is_reverted!("h.import_id"),
        ")
             ORDER BY h.predicted_at DESC, h.id DESC
             LIMIT 1
         ) earlier"
    ))
    .execute(&mut *conn)
    .await?;
    let withdrawn: i64 = sqlx::query_scalar(
        "WITH kept AS (
             INSERT INTO extraction_history
                 (document_id, field, extractor_version, value, confidence, predicted_at, import_id, ended_by, is_withdrawn)
             SELECT document_id, field, extractor_version, value, confidence, predicted_at, import_id, $1, true FROM withdrawn_predictions
         ), touched AS (
             INSERT INTO revert_touched (document_id, field) SELECT DISTINCT document_id, field FROM withdrawn_predictions
         ), affected AS (
             INSERT INTO revert_affected (document_id) SELECT DISTINCT document_id FROM withdrawn_predictions
         )
         SELECT count(*) FROM withdrawn_predictions",
    )
    .bind(import)
    .fetch_one(&mut *conn)
    .await?;
    sqlx::raw_sql("DROP TABLE withdrawn_predictions").execute(conn).await?;
    Ok(withdrawn)
}
