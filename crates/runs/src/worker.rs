//! What a worker process says of itself, and what it is told in return. Who they all are is read in `fleet`.

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::WorkerId;
use crate::status::RunKind;

/// What a worker says of itself when it boots.
#[derive(Debug)]
pub struct NewWorker<'a> {
    /// Fresh per boot.
    pub id: WorkerId,
    /// Host name.
    pub host: &'a str,
    /// Process id on that host.
    pub pid: i32,
    /// Version of the binary.
    pub version: &'a str,
    /// Runs at once.
    pub slots: i32,
    /// What it can carry out.
    pub kinds: &'a [RunKind],
    /// Back end of its arithmetic.
    pub backend: &'a str,
    /// Vector instructions of its arithmetic.
    pub cpu_kernel: &'a str,
    /// Memory it may use, as far as it can tell.
    pub memory_bytes: Option<i64>,
}

/// What an operator asked of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerOrders {
    /// Go on.
    Work,
    /// Claim nothing more, finish what runs, then end.
    Drain,
    /// Claim nothing more, hand back what runs, then end.
    HandBack,
}

/// Registers a worker.
///
/// # Errors
/// When Postgres does not answer.
pub async fn register_worker(conn: &mut PgConnection, worker: &NewWorker<'_>) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        INSERT INTO workers (id, host, pid, version, slots, kinds, backend, cpu_kernel, memory_bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        "#,
        worker.id as WorkerId,
        worker.host,
        worker.pid,
        worker.version,
        worker.slots,
        worker.kinds as &[RunKind],
        worker.backend,
        worker.cpu_kernel,
        worker.memory_bytes
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Says that the worker lives and whether it hears announcements; gives back what it was asked to do.
///
/// # Errors
/// When Postgres does not answer, or does not know the worker.
pub async fn heartbeat_worker(conn: &mut PgConnection, id: WorkerId, listening: bool) -> Result<WorkerOrders, RunsError> {
    let orders = sqlx::query!(
        r#"
        UPDATE workers
        SET heartbeat_at = clock_timestamp(), listening = $2
        WHERE id = $1
        RETURNING drain_requested_at IS NOT NULL AS "drain!", drain_hand_back
        "#,
        id as WorkerId,
        listening
    )
    .fetch_one(conn)
    .await?;
    Ok(match orders {
        orders if orders.drain && orders.drain_hand_back => WorkerOrders::HandBack,
        orders if orders.drain => WorkerOrders::Drain,
        _ => WorkerOrders::Work,
    })
}

/// Says that the worker has stopped in good order.
///
/// # Errors
/// When Postgres does not answer.
pub async fn stop_worker(conn: &mut PgConnection, id: WorkerId) -> Result<(), RunsError> {
    sqlx::query!(
        "UPDATE workers SET heartbeat_at = clock_timestamp(), stopped_at = clock_timestamp(), listening = false WHERE id = $1",
        id as WorkerId
    )
    .execute(conn)
    .await?;
    Ok(())
}
