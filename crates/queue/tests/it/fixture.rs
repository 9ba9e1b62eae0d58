//! Fixtures: configuration, run ids and a listener that records its notifications.

use std::time::Duration;

use aprendiz_queue::{Publisher, QueueConfig, QueueNotification, RedisFault, listen};
use aprendiz_test_support::{TestRedis, wait_until};
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Time limit for something that must happen; a listener reconnects after at most 10 s.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Configuration with the key prefix `test`.
pub(crate) fn config(redis: &TestRedis) -> QueueConfig {
    config_for(&redis.url())
}

/// Configuration with another URL.
pub(crate) fn config_for(url: &str) -> QueueConfig {
    QueueConfig::new(&url.into(), "test", None).unwrap()
}

/// A plain connection, for commands that the crate does not offer.
pub(crate) async fn connection(redis: &TestRedis) -> MultiplexedConnection {
    redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// New run ids.
pub(crate) fn ids(count: usize) -> Vec<Uuid> {
    (0..count).map(|_| Uuid::now_v7()).collect()
}

/// Waits until the queue is empty.
pub(crate) async fn drained(publisher: &mut Publisher) {
    wait_until("an empty queue", TIMEOUT, async || (publisher.depth().await.unwrap() == 0).then_some(())).await;
}

/// A listener that records its notifications.
pub(crate) struct Listener {
    notifications: mpsc::UnboundedReceiver<QueueNotification>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Listener {
    pub(crate) fn start(redis: &TestRedis) -> Self {
        Self::start_with(config(redis))
    }

    pub(crate) fn start_with(config: QueueConfig) -> Self {
        let shutdown = CancellationToken::new();
        let (sender, notifications) = mpsc::unbounded_channel();
        let token = shutdown.clone();
        let task = tokio::spawn(async move {
            listen(&config, token, move |notification| {
                // the test may have ended already
                sender.send(notification).ok();
            })
            .await;
        });
        Self { notifications, shutdown, task }
    }

    /// Returns the first notification for which `pick` returns something, and skips the others.
    pub(crate) async fn receive<T>(&mut self, what: &str, pick: impl Fn(&QueueNotification) -> Option<T>) -> T {
        let picked = async {
            loop {
                let notification = self.notifications.recv().await.expect("the listener runs until it is stopped");
                if let Some(picked) = pick(&notification) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(TIMEOUT, picked).await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Uuid {
        self.receive(
            "a message",
            |notification| if let QueueNotification::Message(message) = notification { Some(message.run_id) } else { None },
        )
        .await
    }

    /// The reason of the next malformed entry.
    pub(crate) async fn malformed(&mut self) -> String {
        self.receive(
            "a malformed entry",
            |notification| if let QueueNotification::Malformed(reason) = notification { Some(reason.clone()) } else { None },
        )
        .await
    }

    /// The next wake-up.
    pub(crate) async fn wakeup(&mut self) {
        self.receive("a wake-up", |notification| matches!(notification, QueueNotification::Wakeup).then_some(())).await;
    }

    /// Waits until the listener is connected.
    pub(crate) async fn connected(&mut self) {
        self.receive("a connection", |notification| matches!(notification, QueueNotification::Connected).then_some(())).await;
    }

    /// The reason for which the listener is disconnected next.
    pub(crate) async fn disconnected(&mut self) -> RedisFault {
        self.receive(
            "a disconnection",
            |notification| if let QueueNotification::Disconnected(fault) = notification { Some(*fault) } else { None },
        )
        .await
    }

    /// The notifications received but not yet read.
    pub(crate) fn rest(&mut self) -> Vec<QueueNotification> {
        std::iter::from_fn(|| self.notifications.try_recv().ok()).collect()
    }

    /// Stops the listener and waits for its end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(TIMEOUT, self.task).await.expect("a listener stops when asked").unwrap();
    }
}

/// Waits until this number of listeners are subscribed.
pub(crate) async fn subscribed(redis: &TestRedis, listeners: usize) {
    let expected = format!(":{listeners}\r\n");
    wait_until("the subscriptions", TIMEOUT, async || {
        redis.command("PUBSUB NUMSUB test:wake").await.filter(|answer| answer.ends_with(&expected)).map(drop)
    })
    .await;
}
