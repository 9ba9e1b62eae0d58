//! Begins a revert: from then on the import counts as reverted, and its documents wait to be processed.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::reverts::error::RevertError;

/// The documents of the import `$1`: those it created, those it knew, and those that rows of a legacy review file are about.
macro_rules! candidates {
    () => {
        "SELECT $1::uuid AS import_id, c.document_id, min(c.stage)::smallint AS stage
         FROM (
             SELECT t.document_id, CASE WHEN t.version = 1 THEN 0 ELSE 1 END AS stage
             FROM imports i
             JOIN document_texts t ON t.position BETWEEN i.first_position AND i.last_position
             WHERE i.id = $1
             UNION
             SELECT document_id, 1 FROM import_documents WHERE import_id = $1
             UNION
             SELECT e.document_id, 1
             FROM imports i
             JOIN annotation_events e ON e.position BETWEEN i.first_position AND i.last_position
             WHERE i.id = $1
         ) c
         WHERE NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = c.document_id)
         GROUP BY c.document_id
         ORDER BY stage, c.document_id"
    };
}

const MAX_REASON_CHARS: usize = 1_000;

/// Begins to revert an import and the retries of its quarantined tasks. Returns whether it had not begun before.
///
/// The caller commits the transaction, then calls [`revert_batch`](super::revert_batch) until nothing is left.
///
/// # Errors
/// If the import does not exist, has not succeeded or is too old, or Postgres is unavailable.
pub async fn begin_revert(conn: &mut PgConnection, import: Uuid, actor: &str, reason: Option<&str>) -> Result<bool, RevertError> {
    if reason.is_some_and(|reason| !(1..=MAX_REASON_CHARS).contains(&reason.chars().count()) || reason.contains('\0')) {
        return Err(RevertError::InvalidReason);
    }
    let imports = lock_imports(conn, import).await?;
    let begun = sqlx::query!(
        "INSERT INTO import_reverts (import_id, actor, reason)
         SELECT id, $2, $3 FROM unnest($1::uuid[]) AS reverted (id)
         ON CONFLICT DO NOTHING",
        &imports,
        actor,
        reason,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if begun == 0 {
        return Ok(false);
    }
    for import in imports {
        find_documents(conn, import).await?;
    }
    Ok(true)
}

/// Locks an import and returns it with its retries. A retry holds a lock on its import, so none is missed.
pub(super) async fn lock_imports(conn: &mut PgConnection, import: Uuid) -> Result<Vec<Uuid>, RevertError> {
    let row = sqlx::query!("SELECT first_position FROM imports WHERE id = $1 FOR UPDATE", import).fetch_optional(&mut *conn).await?;
    let Some(row) = row else {
        let status = sqlx::query_scalar!("SELECT status::text FROM import_requests WHERE id = $1", import).fetch_optional(conn).await?;
        return Err(match status.flatten().as_deref() {
            Some("failed") => RevertError::Failed(import),
            Some(_) => RevertError::Running(import),
            None => RevertError::NotFound(import),
        });
    };
    if row.first_position.is_none() {
        return Err(RevertError::NotRecorded(import));
    }
    let imports = sqlx::query_scalar!(
        r#"
        WITH RECURSIVE chain AS (
            SELECT $1::uuid AS id
            UNION
            SELECT i.id FROM imports i JOIN chain c ON i.retry_of = c.id
        )
        SELECT id AS "id!" FROM chain
        "#,
        import
    )
    .fetch_all(conn)
    .await?;
    Ok(imports)
}

/// Records which documents an import contained. Nothing of an erased document is left to revert.
async fn find_documents(conn: &mut PgConnection, import: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(concat!("INSERT INTO import_revert_documents (import_id, document_id, stage) ", candidates!(), " ON CONFLICT DO NOTHING"))
        .bind(import)
        .execute(conn)
        .await?;
    Ok(())
}

/// The documents that an import contained, with the stage in which they are processed.
pub(super) async fn list_documents(conn: &mut PgConnection, import: Uuid) -> Result<Vec<(i16, Uuid)>, sqlx::Error> {
    let rows = sqlx::query(candidates!()).bind(import).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get("stage")?, row.try_get("document_id")?))).collect()
}
