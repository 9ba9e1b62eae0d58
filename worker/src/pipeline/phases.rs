//! Records the phase of a run in Postgres and measures its duration.

use std::time::Duration;

use aprendiz_db::Database;
use aprendiz_runs::{AttemptId, RunPhase, enter_phase};
use aprendiz_test_gate::Point;
use tokio::time::Instant;
use tracing::Span;
use uuid::Uuid;

use crate::interruption::Interruption;
use crate::pipeline::phase_span::PhaseSpan;
use crate::retry::{in_transaction, retry_on_outage};

/// How often a worker that a test holds looks whether it may go on; no other build has a gate.
const GATE_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The phases of one attempt.
pub(crate) struct Phases<'a> {
    database: &'a Database,
    attempt: AttemptId,
    current: Option<(RunPhase, Instant)>,
    /// The span of the attempt, which is the parent of all phases.
    attempt_span: Span,
    span: PhaseSpan,
}

impl<'a> Phases<'a> {
    /// The phases of the attempt in whose span the caller runs.
    pub(crate) fn new(database: &'a Database, attempt: AttemptId, span: PhaseSpan) -> Self {
        Self { database, attempt, current: None, attempt_span: Span::current(), span }
    }

    /// Ends the current phase and enters the given one.
    pub(crate) async fn enter(&mut self, phase: RunPhase) -> Result<(), Interruption> {
        self.record_duration();
        let event = Uuid::now_v7();
        retry_on_outage!(in_transaction!(self.database, tx => enter_phase(&mut tx, self.attempt, event, phase)))?;
        self.current = Some((phase, Instant::now()));
        self.span.enter(phase, &self.attempt_span).await;
        hold_at(Point::Phase(phase.as_str())).await;
        Ok(())
    }

    fn record_duration(&mut self) {
        if let Some((phase, since)) = self.current.take() {
            metrics::histogram!("aprendiz_worker_phase_seconds", "phase" => phase.as_str()).record(since.elapsed().as_secs_f64());
        }
    }
}

/// Waits while a test holds the worker at this point.
pub(crate) async fn hold_at(point: Point<'_>) {
    if let Some(held) = aprendiz_test_gate::stop_at(point) {
        while held.is_closed() {
            tokio::time::sleep(GATE_POLL_INTERVAL).await;
        }
    }
}

impl Drop for Phases<'_> {
    fn drop(&mut self) {
        self.record_duration();
    }
}
