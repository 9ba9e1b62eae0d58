//! Tells event streams that a run has news: one listening connection per process, fanned out to all streams.
//!
//! A wake-up only says "look into the table", so a lost one costs at most the polling interval of the stream.

use std::time::Duration;

use runs::RunId;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tracing::warn;

const CHANNEL: &str = "aprendiz_run_events";
/// Wake-ups a slow stream may fall behind; beyond that it just looks once.
const CAPACITY: usize = 1_024;
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Handle for streams; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct EventHub(broadcast::Sender<RunId>);

impl EventHub {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    /// Wake-ups from now on.
    pub(crate) fn subscribe(&self) -> Wakeups {
        Wakeups(self.0.subscribe())
    }

    /// Listens until shutdown, reconnecting as often as needed.
    pub(crate) async fn run(self, pool: PgPool, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Some(Err(error)) = shutdown.run_until_cancelled(self.listen(&pool)).await {
                warn!(%error, "event streams fall back to polling: the listening connection was lost");
                shutdown.run_until_cancelled(tokio::time::sleep(RECONNECT_AFTER)).await;
            }
        }
    }

    async fn listen(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            let notification = listener.recv().await?;
            if let Ok(run_id) = notification.payload().parse() {
                // nobody listening is no error
                let _ = self.0.send(run_id);
            }
        }
    }
}

/// Wake-ups of one stream.
pub(crate) struct Wakeups(broadcast::Receiver<RunId>);

impl Wakeups {
    /// Waits until the run may have news.
    pub(crate) async fn of(&mut self, run_id: RunId) {
        loop {
            match self.0.recv().await {
                Ok(news) if news != run_id => {}
                // the hub is gone only at shutdown, which the stream watches itself
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            }
        }
    }
}
