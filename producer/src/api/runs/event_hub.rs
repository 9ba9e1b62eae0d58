//! Wakes event streams when their run has new events: one `LISTEN` connection per process, fanned out to all streams.
//!
//! A wake-up only means "read the table", so a lost one delays events by at most the polling interval of the stream.

use std::time::Duration;

use aprendiz_db::Session;
use aprendiz_runs::RunId;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tracing::warn;

const NOTIFY_CHANNEL: &str = "aprendiz_run_events";
/// Maximum number of pending wake-ups. A stream that falls further behind reads the table once.
const CAPACITY: usize = 1_024;
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Handle for streams; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct EventHub(broadcast::Sender<RunId>);

impl EventHub {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    /// Subscribes to wake-ups from now on.
    pub(crate) fn subscribe(&self) -> Wakeups {
        Wakeups(self.0.subscribe())
    }

    /// Listens until shutdown and reconnects after each failure.
    pub(crate) async fn run(self, session: Session, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Some(Err(error)) = shutdown.run_until_cancelled(self.listen(&session)).await {
                warn!(%error, "lost the LISTEN connection; event streams fall back to polling");
                shutdown.run_until_cancelled(tokio::time::sleep(RECONNECT_DELAY)).await;
            }
        }
    }

    async fn listen(&self, session: &Session) -> Result<(), sqlx::Error> {
        let mut listener = session.listen(NOTIFY_CHANNEL).await?;
        loop {
            let notification = listener.recv().await?;
            if let Ok(run_id) = notification.payload().parse() {
                // sending fails only if no stream is open
                let _ = self.0.send(run_id);
            }
        }
    }
}

/// The wake-ups of one stream.
pub(crate) struct Wakeups(broadcast::Receiver<RunId>);

impl Wakeups {
    /// Waits until the run may have new events.
    pub(crate) async fn wait_for(&mut self, run_id: RunId) {
        loop {
            match self.0.recv().await {
                Ok(woken) if woken != run_id => {}
                // the hub closes only at shutdown, which the stream observes itself
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            }
        }
    }
}
