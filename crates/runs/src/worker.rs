//! Which worker processes there are.

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::WorkerId;

/// What a worker says of itself when it boots.
#[derive(Debug)]
pub struct NewWorker<'a> {
    /// Fresh per boot.
    pub id: WorkerId,
    /// Host name.
    pub host: &'a str,
    /// Version of the binary.
    pub version: &'a str,
    /// Runs at once.
    pub slots: i32,
    /// Back end of its arithmetic.
    pub backend: &'a str,
    /// Vector instructions of its arithmetic.
    pub cpu_kernel: &'a str,
}

/// Registers a worker.
///
/// # Errors
/// When Postgres does not answer.
pub async fn register_worker(conn: &mut PgConnection, worker: &NewWorker<'_>) -> Result<(), RunsError> {
    sqlx::query!(
        "INSERT INTO workers (id, host, version, slots, backend, cpu_kernel) VALUES ($1, $2, $3, $4, $5, $6)",
        worker.id as WorkerId,
        worker.host,
        worker.version,
        worker.slots,
        worker.backend,
        worker.cpu_kernel
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Says that the worker lives.
///
/// # Errors
/// When Postgres does not answer.
pub async fn heartbeat_worker(conn: &mut PgConnection, id: WorkerId) -> Result<(), RunsError> {
    sqlx::query!("UPDATE workers SET heartbeat_at = clock_timestamp() WHERE id = $1", id as WorkerId).execute(conn).await?;
    Ok(())
}

/// Says that the worker has stopped in good order.
///
/// # Errors
/// When Postgres does not answer.
pub async fn stop_worker(conn: &mut PgConnection, id: WorkerId) -> Result<(), RunsError> {
    sqlx::query!("UPDATE workers SET heartbeat_at = clock_timestamp(), stopped_at = clock_timestamp() WHERE id = $1", id as WorkerId)
        .execute(conn)
        .await?;
    Ok(())
}
