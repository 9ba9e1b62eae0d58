//! Which phase a run is in: told to Postgres, and timed.

use std::time::Duration;

use ::runs::{AttemptKey, RunPhase, enter_phase};
use aprendiz_test_gate::Point;
use tokio::time::Instant;

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;

/// How often a worker that a test holds looks whether it may go on; no other build has a gate.
const GATE_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The phases of one attempt.
pub(crate) struct Phases<'a> {
    context: &'a WorkerContext,
    key: AttemptKey,
    current: Option<(RunPhase, Instant)>,
}

impl<'a> Phases<'a> {
    pub(crate) const fn new(context: &'a WorkerContext, key: AttemptKey) -> Self {
        Self { context, key, current: None }
    }

    /// Ends the phase before and begins this one.
    pub(crate) async fn enter(&mut self, phase: RunPhase) -> Result<(), Stop> {
        self.time();
        patiently!(async { enter_phase(&mut *self.context.pool.acquire().await?, self.key, phase).await })?;
        self.current = Some((phase, Instant::now()));
        if let Some(held) = aprendiz_test_gate::stop_at(Point::Phase(phase.as_str())) {
            while held.is_closed() {
                tokio::time::sleep(GATE_POLL_INTERVAL).await;
            }
        }
        Ok(())
    }

    fn time(&mut self) {
        if let Some((phase, since)) = self.current.take() {
            ::metrics::histogram!("aprendiz_worker_phase_seconds", "phase" => phase.as_str()).record(since.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Phases<'_> {
    fn drop(&mut self) {
        self.time();
    }
}
