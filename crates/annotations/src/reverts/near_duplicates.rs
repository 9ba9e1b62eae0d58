//! Compares documents that have an earlier text again with their near-duplicates: some may have arrived in another split meanwhile.

use aprendiz_db::AdvisoryLock;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::near_duplicates::{create, drop, exclude_bridges, record_exclusions};

/// Excludes the documents whose near-duplicates are in another split. The lock on near-duplicates must be held.
pub(crate) async fn exclude(conn: &mut PgConnection, documents: &[Uuid]) -> Result<(), sqlx::Error> {
    create(conn).await?;
    sqlx::query(
        "INSERT INTO arrivals (ordinal, document_id, version, is_new, is_newest, sketch_id, is_known)
         SELECT row_number() OVER (ORDER BY k.document_id), k.document_id, k.version, false, true, k.sketch_id, true
         FROM document_sketches k
         WHERE k.document_id = ANY($1)
           AND NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version)",
    )
    .bind(documents)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("ANALYZE arrivals").execute(&mut *conn).await?;
    if exclude_bridges(conn).await? > 0 {
        AdvisoryLock::Positions.lock(conn).await?;
        record_exclusions(conn).await?;
    }
    drop(conn).await
}
