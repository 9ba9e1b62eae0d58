//! Heartbeats to Postgres, which return operator commands, and the health of this process's background loops.

use std::sync::OnceLock;
use std::time::Duration;

use aprendiz_db::{Database, run_blocking};
use aprendiz_queue::RedisFault;
use aprendiz_runs::{RunsError, WorkerCommand, WorkerId, WorkerReport, heartbeat_worker};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::config::WorkerConfig;
use crate::host_info;
use crate::retry::in_transaction;
use crate::shutdown::Shutdown;

/// Time between heartbeats, and so the delay until an operator command takes effect.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(10);
/// Number of heartbeats with the same report about disk and base models.
const HEARTBEATS_PER_REPORT: u32 = 10;

/// Health of this process, as shown by the probes.
#[derive(Debug)]
pub(crate) struct WorkerHealth {
    queue: watch::Sender<QueueState>,
    last_heartbeat: watch::Sender<Option<Instant>>,
    loops: OnceLock<Vec<(&'static str, AbortHandle)>>,
}

/// Whether wake-ups arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueState {
    /// The first connection is being made.
    Connecting,
    /// They do.
    Listening,
    /// They do not, and the worker polls for runs.
    Unavailable(RedisFault),
}

impl Default for WorkerHealth {
    fn default() -> Self {
        Self { queue: watch::Sender::new(QueueState::Connecting), last_heartbeat: watch::Sender::new(None), loops: OnceLock::new() }
    }
}

impl WorkerHealth {
    /// Records whether wake-ups arrive.
    pub(crate) fn set_queue(&self, state: QueueState) {
        self.queue.send_replace(state);
        metrics::gauge!("aprendiz_worker_listening").set(f64::from(u8::from(state == QueueState::Listening)));
    }

    /// Whether wake-ups arrive.
    pub(crate) fn queue(&self) -> QueueState {
        *self.queue.borrow()
    }

    /// Registers the loops that must run as long as the process.
    pub(crate) fn watch(&self, loops: Vec<(&'static str, AbortHandle)>) {
        self.loops.set(loops).expect("loops are started once");
    }

    /// Registered loops that have ended.
    pub(crate) fn dead_loops(&self) -> Vec<&'static str> {
        let loops = self.loops.get().map_or(&[][..], Vec::as_slice);
        loops.iter().filter(|(_, handle)| handle.is_finished()).map(|(name, _)| *name).collect()
    }

    /// Time since the last successful heartbeat; `None` before the first.
    pub(crate) fn heartbeat_age(&self) -> Option<Duration> {
        self.last_heartbeat.borrow().map(|at| at.elapsed())
    }
}

/// Sends heartbeats until the future is dropped and carries out the commands they return.
pub(crate) async fn send_heartbeats(
    database: &Database,
    config: &WorkerConfig,
    worker: WorkerId,
    health: &WorkerHealth,
    shutdown: &Shutdown,
) {
    let mut draining = false;
    let mut report = WorkerReport::default();
    for number in (0..HEARTBEATS_PER_REPORT).cycle() {
        if number == 0 {
            let (scratch, caches) = (config.scratch.clone(), config.base_models.clone());
            (report.scratch_free_bytes, report.base_models) =
                run_blocking(move || (host_info::free_bytes(&scratch), host_info::base_models(&caches))).await;
        }
        report.listening = health.queue() == QueueState::Listening;
        match tokio::time::timeout(HEARTBEAT_TIMEOUT, send_heartbeat(database, worker, &report)).await {
            Ok(Ok(command)) => {
                health.last_heartbeat.send_replace(Some(Instant::now()));
                if command != WorkerCommand::Continue && !std::mem::replace(&mut draining, true) {
                    tracing::info!("drain requested by an operator: no new runs are claimed, and the process exits after its last run");
                }
                match command {
                    WorkerCommand::Continue => {}
                    WorkerCommand::Drain => shutdown.drain(),
                    WorkerCommand::ReleaseRuns => shutdown.shut_down(),
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "heartbeat failed"),
            Err(_) => tracing::debug!(timeout_s = HEARTBEAT_TIMEOUT.as_secs(), "heartbeat timed out"),
        }
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
    }
}

async fn send_heartbeat(database: &Database, worker: WorkerId, report: &WorkerReport) -> Result<WorkerCommand, RunsError> {
    in_transaction!(database, tx => heartbeat_worker(&mut tx, worker, report)).await
}
