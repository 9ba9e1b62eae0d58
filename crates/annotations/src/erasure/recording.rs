//! Synchronizes erasures with the recording of snapshots and other copies of content.

use aprendiz_db::AdvisoryLock;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::AnnotationsError;

/// Returns the documents of a selection that were erased after `position`, and blocks further erasures until the transaction ends.
///
/// Call it first in the transaction that records a copy of content, with the position of the latest erasure known before the content was
/// read. If the result is empty, every later erasure waits for the commit and then finds the copy. The transaction must be READ COMMITTED:
/// a stricter snapshot would not see the erasure it has waited for.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn erased_since(
    conn: &mut PgConnection,
    position: i64,
    documents: Option<&[Uuid]>,
    source: Option<&str>,
    project: Option<&str>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    AdvisoryLock::Erasure.lock_shared(conn).await?;
    let erased = sqlx::query_scalar!(
        r#"
        SELECT e.document_id
        FROM erasures e
        JOIN documents d ON d.id = e.document_id
        WHERE e.position > $1
          AND ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
        ORDER BY e.position
        "#,
        position,
        documents,
        source,
        project,
    )
    .fetch_all(conn)
    .await?;
    Ok(erased)
}

/// Blocks the recording of snapshots until the transaction ends, after waiting for recordings in progress.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn block_recording(conn: &mut PgConnection) -> Result<(), AnnotationsError> {
    AdvisoryLock::Erasure.lock(conn).await?;
    Ok(())
}
