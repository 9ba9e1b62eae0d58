//! Signs of life: to Postgres, where operators see them and leave their orders, and to the probes of this process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runs::{RunsError, WorkerOrders, heartbeat_worker};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::context::WorkerContext;
use crate::shutdown::Shutdown;

/// How often Postgres is told; also how soon an order is heard.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// A heartbeat that does not come through in this time has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the parts of this process are.
#[derive(Debug)]
pub(crate) struct Vitals {
    listening: AtomicBool,
    last_beat: watch::Sender<Option<Instant>>,
    loops: OnceLock<Vec<(&'static str, AbortHandle)>>,
}

impl Default for Vitals {
    fn default() -> Self {
        Self { listening: AtomicBool::new(false), last_beat: watch::Sender::new(None), loops: OnceLock::new() }
    }
}

impl Vitals {
    /// Whether announcements are heard.
    pub(crate) fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
        metrics::gauge!("aprendiz_worker_listening").set(f64::from(u8::from(listening)));
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// Loops that must not end before the process does.
    pub(crate) fn watch(&self, loops: Vec<(&'static str, AbortHandle)>) {
        self.loops.set(loops).expect("loops are started once");
    }

    /// The loops that have died.
    pub(crate) fn dead_loops(&self) -> Vec<&'static str> {
        let loops = self.loops.get().map_or(&[][..], Vec::as_slice);
        loops.iter().filter(|(_, handle)| handle.is_finished()).map(|(name, _)| *name).collect()
    }

    /// Time since Postgres last took a heartbeat; `None` before the first.
    pub(crate) fn beat_age(&self) -> Option<Duration> {
        self.last_beat.borrow().map(|beat| beat.elapsed())
    }
}

/// Tells Postgres of life until the worker ends, and does what it is told there.
pub(crate) async fn beat(context: &WorkerContext, shutdown: &Shutdown) {
    let mut draining = false;
    loop {
        match tokio::time::timeout(PATIENCE, heartbeat(context)).await {
            Ok(Ok(orders)) => {
                context.vitals.last_beat.send_replace(Some(Instant::now()));
                if orders != WorkerOrders::Work && !std::mem::replace(&mut draining, true) {
                    tracing::info!("draining, as an operator asked: no new runs, and this process ends after the last one");
                }
                match orders {
                    WorkerOrders::Work => {}
                    WorkerOrders::Drain => shutdown.drain(),
                    WorkerOrders::HandBack => shutdown.hand_back(),
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "heartbeat of the worker not written"),
            Err(_) => tracing::debug!("heartbeat of the worker not written in time"),
        }
        tokio::time::sleep(HEARTBEAT).await;
    }
}

async fn heartbeat(context: &WorkerContext) -> Result<WorkerOrders, RunsError> {
    let mut conn = context.pool.acquire().await?;
    heartbeat_worker(&mut conn, context.id, context.vitals.is_listening()).await
}
