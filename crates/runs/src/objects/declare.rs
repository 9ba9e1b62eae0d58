//! Declaration of objects before their first byte is written.

use aprendiz_db::ensure_one_row;
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::{DatasetId, RunId};
use crate::run::attempt::AttemptId;

/// What an object will belong to.
#[derive(Debug, Clone, Copy)]
pub enum ObjectOwner {
    /// A dataset snapshot.
    Dataset(DatasetId),
    /// An evaluation of a published version. Its predictions are deleted with the files of the snapshot when a document is erased.
    Evaluation(DatasetId),
    /// The model version of the attempt's run.
    Model,
    /// A checkpoint of the attempt.
    Checkpoint,
    /// The embedding cache.
    Embeddings,
}

/// Declares objects before they are written. The caller holds the lock of [`crate::lock_attempt`].
///
/// # Errors
/// When Postgres does not answer.
pub async fn declare_objects(conn: &mut PgConnection, attempt: AttemptId, object_keys: &[String]) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        INSERT INTO objects (key, run_id, attempt_number)
        SELECT object_key, $2, $3 FROM unnest($1::text[]) AS object_key
        ON CONFLICT (key) DO NOTHING
        "#,
        object_keys,
        attempt.run_id as RunId,
        attempt.number
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records the id of the multipart upload of a declared object, before its first part is sent; `None` once the upload has ended.
///
/// # Errors
/// [`RunsError::BrokenRow`] when the object is not `pending`.
pub async fn record_upload_id(conn: &mut PgConnection, object_key: &str, upload_id: Option<&str>) -> Result<(), RunsError> {
    let updated =
        sqlx::query!("UPDATE objects SET upload_id = $2 WHERE key = $1 AND state = 'pending'", object_key, upload_id).execute(conn).await?;
    ensure_one_row(&updated, || RunsError::BrokenRow {
        table: "objects",
        id: object_key.to_owned(),
        what: "not declared, or no longer pending".to_owned(),
    })
}
