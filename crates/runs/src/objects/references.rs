//! References to objects that were found in the bucket.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::RunsError;

/// Whether something refers to an object in the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// It has a row, which decides.
    Row,
    /// The attempt that wrote it is still running.
    Running,
    /// This database does not know the run or its attempt: the object may belong to another database, or to a newer state of this
    /// one that a restored backup does not contain.
    Unknown,
    /// It has no row and its attempt has ended: nothing can refer to it any more.
    None,
}

/// Finds what refers to objects in the bucket, given as key, run and attempt number; in the order given.
///
/// The bucket must have been listed before this call: the row of an object is older than its first byte.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_references(conn: &mut PgConnection, objects: &[(String, Uuid, i32)]) -> Result<Vec<Reference>, RunsError> {
    let keys: Vec<String> = objects.iter().map(|(key, ..)| key.clone()).collect();
    let run_ids: Vec<Uuid> = objects.iter().map(|(_, run_id, _)| *run_id).collect();
    let numbers: Vec<i32> = objects.iter().map(|(.., number)| *number).collect();
    let rows = sqlx::query!(
        r#"
        SELECT EXISTS (SELECT FROM objects o WHERE o.key = listed.key) AS "has_row!",
            a.status = 'running' AS "runs?"
        FROM unnest($1::text[], $2::uuid[], $3::int[]) WITH ORDINALITY AS listed (key, run_id, number, ordinal)
        LEFT JOIN attempts a ON a.run_id = listed.run_id AND a.number = listed.number
        ORDER BY listed.ordinal
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
