//! A Redis of the test's own, who announces and who listens.

use std::time::Duration;

use queue::{Announcer, QueueConfig, Ring, listen};
use redis::aio::MultiplexedConnection;
use test_support::{TestRedis, wait_until};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a test waits for something that must happen; a listener tries again after 10 s at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The keys of the queue are `test:runs:*`.
pub(crate) fn config(redis: &TestRedis) -> QueueConfig {
    QueueConfig { redis_url: redis.url().into(), prefix: "test".to_owned() }
}

/// A connection for what no function of the crate does.
pub(crate) async fn connection(redis: &TestRedis) -> MultiplexedConnection {
    redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// Fresh run ids.
pub(crate) fn ids(count: usize) -> Vec<Uuid> {
    (0..count).map(|_| Uuid::now_v7()).collect()
}

/// Waits until no entry waits in the queue.
pub(crate) async fn drained(announcer: &mut Announcer) {
    wait_until("an empty queue", LIMIT, async || (announcer.depth().await.unwrap() == 0).then_some(())).await;
}

/// A worker that only listens.
pub(crate) struct Listener {
    heard: mpsc::UnboundedReceiver<Ring>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Listener {
    pub(crate) fn start(redis: &TestRedis) -> Self {
        let (config, shutdown) = (config(redis), CancellationToken::new());
        let (tell, heard) = mpsc::unbounded_channel();
        let token = shutdown.clone();
        let task = tokio::spawn(async move {
            listen(&config, token, move |ring| {
                // a test that has heard enough no longer listens
                tell.send(ring).ok();
            })
            .await;
        });
        Self { heard, shutdown, task }
    }

    /// The first of what it hears for which `pick` gives something; other rings are passed over.
    pub(crate) async fn hear<T>(&mut self, what: &str, pick: impl Fn(&Ring) -> Option<T>) -> T {
        let hearing = async {
            loop {
                let ring = self.heard.recv().await.expect("the listener goes on until it is stopped");
                if let Some(picked) = pick(&ring) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(LIMIT, hearing).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Uuid {
        self.hear("a message", |ring| if let Ring::Message(message) = ring { Some(message.run_id) } else { None }).await
    }

    /// The next entry that is none.
    pub(crate) async fn garbage(&mut self) -> String {
        self.hear("garbage", |ring| if let Ring::Garbage(reason) = ring { Some(reason.clone()) } else { None }).await
    }

    /// The next wake-up.
    pub(crate) async fn woken(&mut self) {
        self.hear("a wake-up", |ring| matches!(ring, Ring::Woken).then_some(())).await;
    }

    /// What was heard and not yet looked at.
    pub(crate) fn rest(&mut self) -> Vec<Ring> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    /// Asks it to stop, and waits for that.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(LIMIT, self.task).await.expect("a listener stops when asked").unwrap();
    }
}

/// Waits until so many listeners are subscribed.
pub(crate) async fn subscribed(redis: &TestRedis, listeners: usize) {
    let expected = format!(":{listeners}\r\n");
    wait_until("the subscriptions", LIMIT, async || {
        redis.command("PUBSUB NUMSUB test:wake").await.filter(|answer| answer.ends_with(&expected)).map(drop)
    })
    .await;
}
