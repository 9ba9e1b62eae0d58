//! Confirmation and publication of written objects.

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::{DatasetId, RunId};
use crate::objects::declare::ObjectOwner;
use crate::run::attempt::AttemptId;

/// Records size and hash of a written object. It stays `pending` until it is published.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt that declared it has ended, [`RunsError::BrokenRow`] when it was never declared.
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
    let abandoned = sqlx::query!(
        r#"SELECT run_id AS "run_id!: RunId", attempt_number AS "number!" FROM objects WHERE key = $1 AND state = 'pending' AND run_id IS NOT NULL"#,
        object_key
    )
    .fetch_optional(conn)
    .await?;
    Err(match abandoned {
        Some(attempt) => RunsError::LeaseLost { run_id: attempt.run_id, number: attempt.number },
        None => RunsError::BrokenRow { table: "objects", id: object_key.to_owned(), what: "not declared, or no longer pending".to_owned() },
    })
}

/// Makes confirmed objects live, inside the transaction that publishes their owner. Objects that are already live, from a commit
/// whose answer was lost, stay live.
///
/// # Errors
/// [`RunsError::BrokenRow`] when this attempt did not write all of them.
pub async fn publish_objects(
    conn: &mut PgConnection,
    attempt: AttemptId,
    object_keys: &[String],
    owner: ObjectOwner,
) -> Result<(), RunsError> {
    let dataset = match owner {
        ObjectOwner::Dataset(id) | ObjectOwner::Evaluation(id) => Some(id),
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
        attempt.run_id as RunId,
        attempt.number,
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
            id: attempt.run_id.to_string(),
            what: format!("{changed} of {} objects of attempt {} could be published", object_keys.len(), attempt.number),
        })
    }
}
