//! Backfill: indexes stored texts that have no sketch, because they are older than the index or bypassed the importer.

use aprendiz_db::AdvisoryLock;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;

use crate::near_duplicates::missing_texts::{has_missing_texts, sketch_missing_texts};
use crate::near_duplicates::split_assignment::{exclude_bridges, record_exclusions};
use crate::near_duplicates::staging;

/// Result of a backfill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexReport {
    /// Number of indexed versions of texts.
    pub texts_indexed: u64,
    /// Number of documents excluded because an earlier near-duplicate is in another split.
    pub documents_excluded: u64,
}

/// Indexes all texts without a sketch, and excludes documents that have near-duplicates in different splits. Documents without
/// near-duplicates keep their split. Idempotent. Runs in its own transaction.
///
/// # Errors
/// When Postgres is unavailable; nothing is changed then.
pub async fn backfill_index(conn: &mut PgConnection) -> Result<IndexReport, sqlx::Error> {
    let mut transaction = conn.begin().await?;
    staging::create(&mut transaction).await?;
    staging::lock(&mut transaction).await?;
    let report = backfill(&mut transaction).await?;
    if report.documents_excluded > 0 {
        AdvisoryLock::Positions.lock(&mut transaction).await?;
        record_exclusions(&mut transaction).await?;
    }
    staging::drop(&mut transaction).await?;
    transaction.commit().await?;
    Ok(report)
}

/// Indexes all texts without a sketch and changes no split; the leakage check of a snapshot needs all texts indexed. Returns the number of
/// indexed texts. Takes no lock if there is none to index.
///
/// # Errors
/// When Postgres is unavailable; nothing is changed then.
pub async fn backfill_sketches(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    if !has_missing_texts(conn).await? {
        return Ok(0);
    }
    let mut transaction = conn.begin().await?;
    staging::create(&mut transaction).await?;
    staging::lock(&mut transaction).await?;
    let texts = sketch_missing_texts(&mut transaction).await?;
    staging::drop(&mut transaction).await?;
    transaction.commit().await?;
    Ok(texts)
}

/// As [`backfill_index`], in a transaction that has the temporary tables and holds the lock. Leaves the exclusions in `decided_splits`.
pub(crate) async fn backfill(conn: &mut PgConnection) -> Result<IndexReport, sqlx::Error> {
    let texts_indexed = sketch_missing_texts(conn).await?;
    staging::begin_round(conn).await?;
    let unplaced = sqlx::query(
        "INSERT INTO arrivals (ordinal, document_id, version, is_new, is_newest, sketch_id, is_known)
         SELECT t.position, k.document_id, k.version, false,
                NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version),
                k.sketch_id, true
         FROM document_sketches k
         JOIN document_texts t USING (document_id, version)
         WHERE NOT k.placed",
    )
    .execute(&mut *conn)
    .await?;
    if unplaced.rows_affected() == 0 {
        return Ok(IndexReport { texts_indexed, documents_excluded: 0 });
    }
    sqlx::raw_sql("ANALYZE arrivals").execute(&mut *conn).await?;
    let documents_excluded = exclude_bridges(conn).await?;
    sqlx::query!("UPDATE document_sketches SET placed = true WHERE NOT placed").execute(&mut *conn).await?;
    staging::begin_round(conn).await?;
    Ok(IndexReport { texts_indexed, documents_excluded })
}
