//! Objects in S3: a row before the first byte, `live` only as part of a dataset, a model version, a checkpoint or the cache of vectors.

use sqlx::PgConnection;

use crate::attempt::AttemptKey;
use crate::error::RunsError;
use crate::ids::{DatasetId, RunId};

/// What an object will belong to.
#[derive(Debug, Clone, Copy)]
pub enum ObjectOwner {
    /// A dataset snapshot.
    Dataset(DatasetId),
    /// A model version of the attempt's run.
    Model,
    /// A checkpoint of the attempt.
    Checkpoint,
    /// The cache of vectors, which the attempt adds to.
    Embeddings,
}

/// Declares objects before they are written. The caller has begun a transaction with [`crate::hold_fence`].
///
/// # Errors
/// When Postgres does not answer.
pub async fn declare_objects(conn: &mut PgConnection, key: AttemptKey, object_keys: &[String]) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        INSERT INTO objects (key, run_id, attempt_number)
        SELECT object_key, $2, $3 FROM unnest($1::text[]) AS object_key
        ON CONFLICT (key) DO NOTHING
        "#,
        object_keys,
        key.run_id as RunId,
        key.number
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records what was written under a declared key: still `pending`, but size and hash are known.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt that declared it has ended, [`RunsError::BrokenRow`] when the object was never declared.
pub async fn confirm_object(conn: &mut PgConnection, object_key: &str, sha256: &str, bytes: i64) -> Result<(), RunsError> {
    let changed = sqlx::query!(
        r#"
        UPDATE objects o
        SET sha256 = $2, bytes = $3, upload_id = NULL
        FROM attempts a
        WHERE o.key = $1 AND o.state = 'pending' AND a.run_id = o.run_id AND a.number = o.attempt_number AND a.status = 'running'
        "#,
        object_key,
        sha256,
        bytes
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if changed == 1 {
        return Ok(());
    }
    let left_behind = sqlx::query!(
        r#"SELECT run_id AS "run_id!: RunId", attempt_number AS "number!" FROM objects WHERE key = $1 AND state = 'pending' AND run_id IS NOT NULL"#,
        object_key
    )
    .fetch_optional(conn)
    .await?;
    Err(match left_behind {
        Some(attempt) => RunsError::LeaseLost { run_id: attempt.run_id, number: attempt.number },
        None => RunsError::BrokenRow { table: "objects", id: object_key.to_owned(), what: "not declared, or no longer pending".to_owned() },
    })
}

/// Makes declared and confirmed objects live, inside the transaction that publishes what they belong to. Those that are live
/// already, from a transaction whose commit was not heard of, stay so.
///
/// # Errors
/// [`RunsError::BrokenRow`] when one of them was not written by this attempt.
pub async fn publish_objects(
    conn: &mut PgConnection,
    key: AttemptKey,
    object_keys: &[String],
    owner: ObjectOwner,
) -> Result<(), RunsError> {
    let dataset = match owner {
        ObjectOwner::Dataset(id) => Some(id),
        ObjectOwner::Model | ObjectOwner::Checkpoint | ObjectOwner::Embeddings => None,
    };
    let changed = sqlx::query!(
        r#"
        UPDATE objects
        SET state = 'live', live_at = coalesce(live_at, clock_timestamp()), dataset_id = $4
        WHERE key = ANY($1) AND run_id = $2 AND attempt_number = $3
          AND (state = 'pending' AND sha256 IS NOT NULL OR state = 'live' AND dataset_id IS NOT DISTINCT FROM $4)
        "#,
        object_keys,
        key.run_id as RunId,
        key.number,
        dataset as Option<DatasetId>
    )
    .execute(conn)
    .await?
    .rows_affected();
    if usize::try_from(changed) == Ok(object_keys.len()) {
        Ok(())
    } else {
        Err(RunsError::BrokenRow {
            table: "objects",
            id: key.run_id.to_string(),
            what: format!("{changed} of {} objects of attempt {} could be published", object_keys.len(), key.number),
        })
    }
}
