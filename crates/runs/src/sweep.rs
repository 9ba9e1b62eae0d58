//! What becomes of objects in S3 that belong to nothing: their rows. The bytes are deleted by whoever sweeps.
//!
//! An object goes in three steps, each of which can be repeated: its row becomes `deleting`, its bytes are deleted, its row is
//! deleted. A crash between two of them leaves a `deleting` row, which the next round finds. Publishing needs a `pending` row,
//! so of a sweep and a publication only one gets the object.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::RunId;

/// An object whose bytes are to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondemnedObject {
    /// Its key, without the prefix of the bucket.
    pub key: String,
    /// A multipart upload that was begun for it and is not known to have ended.
    pub upload_id: Option<String>,
}

/// Whether an object without a known owner may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// It has a row: that decides.
    Row,
    /// The attempt that wrote it still runs.
    Running,
    /// This database does not know the run or its attempt: it may belong to another, or to a newer state of this one.
    Unknown,
    /// No row, and its attempt has ended: nothing can ever refer to it.
    None,
}

/// Condemns objects that are `pending` for longer than `older_than` and whose attempt no longer runs. Returns how many.
///
/// # Errors
/// When Postgres does not answer.
pub async fn condemn_pending_objects(conn: &mut PgConnection, older_than: Duration, limit: i64) -> Result<u64, RunsError> {
    let condemned = sqlx::query!(
        r#"
        WITH dead AS (
            SELECT o.key
            FROM objects o
            WHERE o.state = 'pending'
                AND o.created_at <= statement_timestamp() - make_interval(secs => $1)
                AND NOT EXISTS (
                    SELECT FROM attempts a
                    WHERE a.run_id = o.run_id AND a.number = o.attempt_number AND a.status = 'running'
                )
            ORDER BY o.created_at
            LIMIT $2
            -- what is being published is locked, and passed over
            FOR UPDATE SKIP LOCKED
        )
        UPDATE objects o
        SET state = 'deleting'
        FROM dead
        WHERE o.key = dead.key AND o.state = 'pending'
        "#,
        older_than.as_secs_f64(),
        limit
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(condemned)
}

/// Objects whose bytes are to be deleted, in the order of their keys, after the key `after`.
///
/// # Errors
/// When Postgres does not answer.
pub async fn condemned_objects(conn: &mut PgConnection, after: &str, limit: i64) -> Result<Vec<CondemnedObject>, RunsError> {
    let objects = sqlx::query_as!(
        CondemnedObject,
        "SELECT key, upload_id FROM objects WHERE state = 'deleting' AND key > $1 ORDER BY key LIMIT $2",
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(objects)
}

/// Removes the row of a condemned object whose bytes are gone. Returns whether it was there.
///
/// # Errors
/// When Postgres does not answer.
pub async fn forget_object(conn: &mut PgConnection, object_key: &str) -> Result<bool, RunsError> {
    let forgotten =
        sqlx::query!("DELETE FROM objects WHERE key = $1 AND state = 'deleting'", object_key).execute(conn).await?.rows_affected();
    Ok(forgotten == 1)
}

/// Records the multipart upload that was begun for a declared object, before its first part is sent; `None` once it has ended.
///
/// # Errors
/// [`RunsError::BrokenRow`] when the object is not `pending`.
pub async fn note_upload(conn: &mut PgConnection, object_key: &str, upload_id: Option<&str>) -> Result<(), RunsError> {
    let changed = sqlx::query!("UPDATE objects SET upload_id = $2 WHERE key = $1 AND state = 'pending'", object_key, upload_id)
        .execute(conn)
        .await?
        .rows_affected();
    if changed == 1 {
        Ok(())
    } else {
        Err(RunsError::BrokenRow { table: "objects", id: object_key.to_owned(), what: "not declared, or no longer pending".to_owned() })
    }
}

/// Gives up the checkpoints of a run but for the newest `keep`: their objects are condemned. Returns how many.
///
/// The newest is the one of the latest attempt with the greatest step.
///
/// # Errors
/// When Postgres does not answer.
pub async fn discard_checkpoints(conn: &mut PgConnection, run_id: RunId, keep: i64) -> Result<u64, RunsError> {
    let discarded = sqlx::query!(
        r#"
        WITH old AS (
            SELECT object_key
            FROM checkpoints
            WHERE run_id = $1
            ORDER BY attempt_number DESC, step DESC
            OFFSET $2
        ),
        gone AS (
            DELETE FROM checkpoints c
            USING old
            WHERE c.object_key = old.object_key
            RETURNING c.object_key
        )
        UPDATE objects o
        SET state = 'deleting'
        FROM gone
        WHERE o.key = gone.object_key AND o.state = 'live'
        "#,
        run_id as RunId,
        keep
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(discarded)
}

/// Gives up the checkpoints of runs that need none: succeeded ones, and failed or cancelled ones that ended longer than `keep_for`
/// ago and could have been retried until now. Returns how many.
///
/// # Errors
/// When Postgres does not answer.
pub async fn discard_ended_checkpoints(conn: &mut PgConnection, keep_for: Duration, limit: i64) -> Result<u64, RunsError> {
    let discarded = sqlx::query!(
        r#"
        WITH old AS (
            SELECT c.object_key
            FROM checkpoints c
            JOIN training_runs r ON r.id = c.run_id
            WHERE r.status = 'succeeded'
                OR (r.status IN ('failed', 'cancelled') AND r.finished_at <= statement_timestamp() - make_interval(secs => $1))
            LIMIT $2
            -- the run too: one that is being retried keeps what it will continue from
            FOR UPDATE OF c, r SKIP LOCKED
        ),
        gone AS (
            DELETE FROM checkpoints c
            USING old
            WHERE c.object_key = old.object_key
            RETURNING c.object_key
        )
        UPDATE objects o
        SET state = 'deleting'
        FROM gone
        WHERE o.key = gone.object_key AND o.state = 'live'
        "#,
        keep_for.as_secs_f64(),
        limit
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(discarded)
}

/// What refers to objects found in the bucket, by key and the run and attempt that it names; in the order given.
///
/// The keys must have been listed before this is asked: the row of an object is older than its first byte.
///
/// # Errors
/// When Postgres does not answer.
pub async fn references_to(conn: &mut PgConnection, objects: &[(String, Uuid, i32)]) -> Result<Vec<Reference>, RunsError> {
    let keys: Vec<String> = objects.iter().map(|(key, ..)| key.clone()).collect();
    let run_ids: Vec<Uuid> = objects.iter().map(|(_, run_id, _)| *run_id).collect();
    let numbers: Vec<i32> = objects.iter().map(|(.., number)| *number).collect();
    let rows = sqlx::query!(
        r#"
        SELECT EXISTS (SELECT FROM objects o WHERE o.key = listed.key) AS "has_row!",
            a.status = 'running' AS "runs?"
        FROM unnest($1::text[], $2::uuid[], $3::int[]) WITH ORDINALITY AS listed (key, run_id, number, place)
        LEFT JOIN attempts a ON a.run_id = listed.run_id AND a.number = listed.number
        ORDER BY listed.place
        "#,
        &keys,
        &run_ids,
        &numbers
    )
    .fetch_all(conn)
    .await?;
    let reference = |has_row, runs| match (has_row, runs) {
        (true, _) => Reference::Row,
        (false, Some(true)) => Reference::Running,
        (false, Some(false)) => Reference::None,
        (false, None) => Reference::Unknown,
    };
    Ok(rows.into_iter().map(|row| reference(row.has_row, row.runs)).collect())
}
