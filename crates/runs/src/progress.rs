//! What a running attempt says of itself: its phase, its progress, its dataset.

use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::dataset::hold_dataset;
use crate::error::RunsError;
use crate::event::append;
use crate::ids::{DatasetId, RunId};
use crate::lease::hold_fence;
use crate::status::{EventKind, RunPhase};

/// Moves the run to a phase and says so.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn enter_phase(conn: &mut PgConnection, key: AttemptKey, phase: RunPhase) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    hold_fence(&mut tx, key).await?;
    sqlx::query!("UPDATE training_runs SET phase = $2, progress = NULL WHERE id = $1", key.run_id as RunId, phase as RunPhase)
        .execute(&mut *tx)
        .await?;
    append(&mut tx, key.run_id, Some(key.number), EventKind::Phase, &json!({ "phase": phase })).await?;
    tx.commit().await?;
    Ok(())
}

/// Keeps the newest progress on the run and, when `event` is given, appends it as an event of that kind.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn record_progress(
    conn: &mut PgConnection,
    key: AttemptKey,
    progress: &Value,
    event: Option<EventKind>,
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    hold_fence(&mut tx, key).await?;
    sqlx::query!("UPDATE training_runs SET progress = $2 WHERE id = $1", key.run_id as RunId, progress).execute(&mut *tx).await?;
    if let Some(kind) = event {
        append(&mut tx, key.run_id, Some(key.number), kind, progress).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Ties the run to its dataset snapshot. The caller has begun a transaction with [`hold_fence`].
///
/// # Errors
/// [`RunsError::DatasetErased`].
pub async fn use_dataset(conn: &mut PgConnection, key: AttemptKey, dataset: DatasetId) -> Result<(), RunsError> {
    hold_dataset(conn, dataset).await?;
    sqlx::query!("UPDATE training_runs SET dataset_id = $2 WHERE id = $1", key.run_id as RunId, dataset as DatasetId).execute(conn).await?;
    Ok(())
}
