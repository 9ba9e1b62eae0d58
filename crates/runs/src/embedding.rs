//! Vectors that base models have made before: a cache in S3 that every attempt may read, and add a file to.

use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::dataset::hold_dataset;
use crate::error::RunsError;
use crate::ids::DatasetId;
use crate::lease::hold_fence;
use crate::object::{ObjectOwner, publish_objects};

/// A file of vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingFile {
    /// What its vectors depend on beside the texts, as a hash.
    pub encoder: String,
    /// Its object.
    pub object_key: String,
    /// SHA-256 of the object, hex.
    pub sha256: String,
}

/// A file of vectors that lies in S3, declared and confirmed, but is not known to anyone yet.
#[derive(Debug)]
pub struct NewEmbeddingFile<'a> {
    /// Its object.
    pub object_key: &'a str,
    /// What its vectors depend on beside the texts, as a hash.
    pub encoder: &'a str,
    /// The snapshot that its texts are from.
    pub dataset: DatasetId,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingLimits {
    /// Bytes of all files.
    pub bytes: i64,
    /// Files of one encoder.
    pub files: i64,
}

/// All files there are, the most recently used first.
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

/// Says which files were of use, makes a new one known and its object live, and gives up the least recently used beyond the limits.
///
/// # Errors
/// [`RunsError::LeaseLost`], or [`RunsError::DatasetErased`] when a document whose text may be in the new file has been erased.
pub async fn record_embeddings(
    conn: &mut PgConnection,
    key: AttemptKey,
    used: &[String],
    new: Option<&NewEmbeddingFile<'_>>,
    limits: EmbeddingLimits,
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    hold_fence(&mut tx, key).await?;
    if let Some(new) = new {
        hold_dataset(&mut tx, new.dataset).await?;
    }
    // one after the other: the table is small, and two that touch the same files would wait for each other
    sqlx::query!("LOCK TABLE embedding_files IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
    sqlx::query!("UPDATE embedding_files SET used_at = statement_timestamp() WHERE object_key = ANY($1)", used).execute(&mut *tx).await?;
    // two runs that began together have computed the same: the second file stays what it is, an object that belongs to nothing
    if let Some(new) = new
        && !is_known(&mut tx, new).await?
    {
        sqlx::query!(
            r#"
            INSERT INTO embedding_files (object_key, encoder) VALUES ($1, $2)
            -- the same one again, when the answer to a commit was lost
            ON CONFLICT (object_key) DO NOTHING
            "#,
            new.object_key,
            new.encoder
        )
        .execute(&mut *tx)
        .await?;
        publish_objects(&mut tx, key, &[new.object_key.to_owned()], ObjectOwner::Embeddings).await?;
    }
    discard(&mut tx, limits).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether another object of this encoder holds the same bytes.
async fn is_known(conn: &mut PgConnection, new: &NewEmbeddingFile<'_>) -> Result<bool, RunsError> {
    let found = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            SELECT FROM objects o
            JOIN objects other ON other.sha256 = o.sha256 AND other.key <> o.key
            JOIN embedding_files e ON e.object_key = other.key
            WHERE o.key = $1 AND e.encoder = $2
        ) AS "is_known!"
        "#,
        new.object_key,
        new.encoder
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Of files that were used in the same run the small ones go first: they cost least to compute again.
async fn discard(conn: &mut PgConnection, limits: EmbeddingLimits) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        WITH ranked AS (
            SELECT e.object_key,
                sum(o.bytes) OVER (ORDER BY e.used_at DESC, o.bytes DESC, e.object_key ROWS UNBOUNDED PRECEDING) AS bytes,
                row_number() OVER (PARTITION BY e.encoder ORDER BY e.used_at DESC, o.bytes DESC, e.object_key) AS place
            FROM embedding_files e
            JOIN objects o ON o.key = e.object_key
        ),
        gone AS (
            DELETE FROM embedding_files e
            USING ranked r
            WHERE e.object_key = r.object_key AND (r.bytes > $1::bigint OR r.place > $2::bigint)
            RETURNING e.object_key
        )
        UPDATE objects o
        SET state = 'deleting'
        FROM gone
        WHERE o.key = gone.object_key AND o.state = 'live'
        "#,
        limits.bytes,
        limits.files
    )
    .execute(conn)
    .await?;
    Ok(())
}
