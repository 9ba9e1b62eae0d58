//! Progress of a running attempt: phase, progress, dataset.

use aprendiz_db::ensure_one_row;
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::{DatasetId, RunId};
use crate::registry::datasets::lock_dataset;
use crate::run::attempt::AttemptId;
use crate::run::event::{append, append_once};
use crate::run::lease::lock_attempt;
use crate::run::status::{EventKind, RunPhase};

/// Moves the run to a phase and appends an event. Repeating the call with the same `event` id changes nothing.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn enter_phase(conn: &mut PgConnection, attempt: AttemptId, event: Uuid, phase: RunPhase) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    lock_attempt(&mut tx, attempt).await?;
    let entered = sqlx::query!(
        "UPDATE training_runs SET phase = $3, progress = NULL WHERE id = $1 AND attempt_number = $2",
        attempt.run_id as RunId,
        attempt.number,
        phase as RunPhase
    )
    .execute(&mut *tx)
    .await?;
    ensure_one_row(&entered, || attempt.lease_lost())?;
    append_once(&mut tx, attempt, event, EventKind::Phase, &json!({ "phase": phase })).await?;
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
    let recorded = sqlx::query!(
        "UPDATE training_runs SET progress = $3 WHERE id = $1 AND attempt_number = $2",
        attempt.run_id as RunId,
        attempt.number,
        progress
    )
    .execute(&mut *tx)
    .await?;
    ensure_one_row(&recorded, || attempt.lease_lost())?;
    if let Some(kind) = event {
        append(&mut tx, attempt.run_id, Some(attempt.number), kind, progress).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Attaches a dataset snapshot to the run. The caller holds the lock of [`lock_attempt`].
///
/// # Errors
/// [`RunsError::DatasetErased`], [`RunsError::LeaseLost`].
pub async fn attach_dataset(conn: &mut PgConnection, attempt: AttemptId, dataset: DatasetId) -> Result<(), RunsError> {
    lock_dataset(conn, dataset).await?;
    let attached = sqlx::query!(
        "UPDATE training_runs SET dataset_id = $3 WHERE id = $1 AND attempt_number = $2",
        attempt.run_id as RunId,
        attempt.number,
        dataset as DatasetId
    )
    .execute(conn)
    .await?;
    ensure_one_row(&attached, || attempt.lease_lost())
}
