//! Embedding cache: files of embeddings in S3 that every attempt may reuse and extend.

use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::DatasetId;
use crate::objects::confirm::publish_objects;
use crate::objects::declare::ObjectOwner;
use crate::registry::datasets::lock_dataset;
use crate::run::attempt::AttemptId;
use crate::run::lease::lock_attempt;

/// A file of embeddings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingFile {
    /// Fingerprint of the encoder: everything besides the texts that the embeddings depend on.
    pub encoder: String,
    /// Key of its object.
    pub object_key: String,
    /// SHA-256 of the object, hex.
    pub sha256: String,
}

/// A file of embeddings whose object is confirmed but not yet recorded.
#[derive(Debug)]
pub struct NewEmbeddingFile<'a> {
    /// Key of its object.
    pub object_key: &'a str,
    /// Fingerprint of the encoder: everything besides the texts that the embeddings depend on.
    pub encoder: &'a str,
    /// The snapshot that contains its texts.
    pub dataset: DatasetId,
}

/// Size limits of the cache.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingLimits {
    /// Total bytes of all files.
    pub bytes: i64,
    /// Number of files per encoder.
    pub files: i64,
}

/// Lists all files, most recently used first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_embedding_files(conn: &mut PgConnection) -> Result<Vec<EmbeddingFile>, RunsError> {
    let files = sqlx::query_as!(
        EmbeddingFile,
        r#"
        SELECT e.encoder, e.object_key, o.sha256 AS "sha256!"
        FROM embedding_files e
        JOIN objects o ON o.key = e.object_key AND o.state = 'live'
        ORDER BY e.used_at DESC, e.object_key DESC
        "#
    )
    .fetch_all(conn)
    .await?;
    Ok(files)
}

/// Marks files as used, records a new one and makes its object live, and evicts the least recently used files beyond the limits.
///
/// # Errors
/// [`RunsError::LeaseLost`], or [`RunsError::DatasetErased`] when a document was erased whose text may be in the new file.
pub async fn record_embeddings(
    conn: &mut PgConnection,
    attempt: AttemptId,
    used: &[String],
    new: Option<&NewEmbeddingFile<'_>>,
    limits: EmbeddingLimits,
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    lock_attempt(&mut tx, attempt).await?;
    if let Some(new) = new {
        lock_dataset(&mut tx, new.dataset).await?;
    }
    // serialized: the table is small, and two writers that touch the same files could deadlock
    sqlx::query!("LOCK TABLE embedding_files IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
    sqlx::query!("UPDATE embedding_files SET used_at = statement_timestamp() WHERE object_key = ANY($1)", used).execute(&mut *tx).await?;
    // two concurrent runs may compute the same file: the second one stays unrecorded, and the sweeper deletes its object
    if let Some(new) = new
        && !has_same_content(&mut tx, new).await?
    {
        sqlx::query!(
            r#"
            INSERT INTO embedding_files (object_key, encoder) VALUES ($1, $2)
            -- a retry after the answer to the commit was lost
            ON CONFLICT (object_key) DO NOTHING
            "#,
            new.object_key,
            new.encoder
        )
        .execute(&mut *tx)
        .await?;
        publish_objects(&mut tx, attempt, &[new.object_key.to_owned()], ObjectOwner::Embeddings).await?;
    }
    evict(&mut tx, limits).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether another recorded file of this encoder has the same bytes.
async fn has_same_content(conn: &mut PgConnection, new: &NewEmbeddingFile<'_>) -> Result<bool, RunsError> {
    let exists = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            SELECT FROM objects o
            JOIN objects other ON other.sha256 = o.sha256 AND other.key <> o.key
            JOIN embedding_files e ON e.object_key = other.key
            WHERE o.key = $1 AND e.encoder = $2
        ) AS "exists!"
        "#,
        new.object_key,
        new.encoder
    )
    .fetch_one(conn)
    .await?;
    Ok(exists)
}

/// Evicts files beyond the limits. Among files used by the same run the small ones go first: they are the cheapest to recompute.
async fn evict(conn: &mut PgConnection, limits: EmbeddingLimits) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        WITH ranked AS (
            SELECT e.object_key,
                sum(o.bytes) OVER (ORDER BY e.used_at DESC, o.bytes DESC, e.object_key ROWS UNBOUNDED PRECEDING) AS bytes,
                row_number() OVER (PARTITION BY e.encoder ORDER BY e.used_at DESC, o.bytes DESC, e.object_key) AS rank
            FROM embedding_files e
            JOIN objects o ON o.key = e.object_key
        ),
        evicted AS (
            DELETE FROM embedding_files e
            USING ranked r
            WHERE e.object_key = r.object_key AND (r.bytes > $1::bigint OR r.rank > $2::bigint)
            RETURNING e.object_key
        )
        UPDATE objects o
        SET state = 'deleting'
        FROM evicted
        WHERE o.key = evicted.object_key AND o.state = 'live'
        "#,
        limits.bytes,
        limits.files
    )
    .execute(conn)
    .await?;
    Ok(())
}
