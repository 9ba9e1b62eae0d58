//! Progress of a running attempt: phase, progress, dataset.

use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::{DatasetId, RunId};
use crate::registry::datasets::lock_dataset;
use crate::run::attempt::AttemptId;
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::status::{EventKind, RunPhase};

/// Moves the run to a phase and appends an event.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn enter_phase(conn: &mut PgConnection, attempt: AttemptId, phase: RunPhase) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    lock_attempt(&mut tx, attempt).await?;
    sqlx::query!("UPDATE training_runs SET phase = $2, progress = NULL WHERE id = $1", attempt.run_id as RunId, phase as RunPhase)
        .execute(&mut *tx)
        .await?;
    append(&mut tx, attempt.run_id, Some(attempt.number), EventKind::Phase, &json!({ "phase": phase })).await?;
    tx.commit().await?;
    Ok(())
}

/// Stores the latest progress of the run and, if `event` is given, appends it as an event of that kind.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn record_progress(
    conn: &mut PgConnection,
    attempt: AttemptId,
    progress: &Value,
    event: Option<EventKind>,
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    lock_attempt(&mut tx, attempt).await?;
    sqlx::query!("UPDATE training_runs SET progress = $2 WHERE id = $1", attempt.run_id as RunId, progress).execute(&mut *tx).await?;
    if let Some(kind) = event {
        append(&mut tx, attempt.run_id, Some(attempt.number), kind, progress).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Attaches a dataset snapshot to the run. The caller holds the lock of [`lock_attempt`].
///
/// # Errors
/// [`RunsError::DatasetErased`].
pub async fn attach_dataset(conn: &mut PgConnection, attempt: AttemptId, dataset: DatasetId) -> Result<(), RunsError> {
    lock_dataset(conn, dataset).await?;
    sqlx::query!("UPDATE training_runs SET dataset_id = $2 WHERE id = $1", attempt.run_id as RunId, dataset as DatasetId)
        .execute(conn)
        .await?;
    Ok(())
}
