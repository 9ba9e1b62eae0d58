//! Writes the progress of an attempt to Postgres, at an interval that grows with the duration of the training.

use std::time::Duration;

use aprendiz_db::Database;
use aprendiz_runs::{AttemptId, EventKind, RunsError, record_progress};
use aprendiz_telemetry::untraced;
use aprendiz_training::Event;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::interruption::Interruption;
use crate::retry::in_transaction;

/// Minimum time between two writes.
const MIN_WRITE_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum time between two writes, so that a training of hours appends only a few thousand events.
const MAX_WRITE_INTERVAL: Duration = Duration::from_secs(10);
/// The interval is the elapsed time divided by this number.
const INTERVAL_DIVISOR: u32 = 500;

/// Makes an event of the training process the latest progress.
pub(crate) fn report(event: &Event, progress: &watch::Sender<Value>) {
    if let Event::Progress { examples_per_second: Some(rate), .. } = event {
        metrics::gauge!("aprendiz_worker_examples_per_second").set(*rate);
    }
    if let Ok(line) = serde_json::to_value(event) {
        progress.send_replace(line);
    }
}

/// Writes the latest progress to the run while it is polled; returns only when the lease is lost.
///
/// Progress that cannot be written is dropped: it must not delay the work.
pub(crate) async fn report_progress(
    database: &Database,
    attempt: AttemptId,
    mut latest: watch::Receiver<Value>,
    event: Option<EventKind>,
) -> Interruption {
    let started = Instant::now();
    loop {
        if latest.changed().await.is_err() {
            // no more progress will come; the future of the work itself returns the result
            std::future::pending::<()>().await;
        }
        let progress = latest.borrow_and_update().clone();
        match write(database, attempt, &progress, event).await {
            Err(RunsError::LeaseLost { .. }) => return Interruption::LeaseLost,
            Err(error) => tracing::debug!(%error, "cannot write progress"),
            Ok(()) => {}
        }
        tokio::time::sleep((started.elapsed() / INTERVAL_DIVISOR).clamp(MIN_WRITE_INTERVAL, MAX_WRITE_INTERVAL)).await;
    }
}

async fn write(database: &Database, attempt: AttemptId, progress: &Value, event: Option<EventKind>) -> Result<(), RunsError> {
    untraced(in_transaction!(database, tx => record_progress(&mut tx, attempt, progress, event))).await
}
