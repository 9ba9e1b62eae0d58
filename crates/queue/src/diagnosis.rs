//! Diagnosis of Redis for operators: everything that relay and workers do, step by step, on keys of its own.

use std::fmt;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::apalis_compat::{self, queue_keys, unique_worker_name};
use crate::config::QueueConfig;
use crate::connection::{connect, subscribe};
use crate::error::QueueError;
use crate::health::{PROBE_PAYLOAD, check_publish, check_write};
use crate::listener::{QueueNotification, listen_once, remove_worker};
use crate::publisher::Publisher;

/// Time limit of the delivery of a message, and of a publication.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
const ACKNOWLEDGEMENT_INTERVAL: Duration = Duration::from_millis(50);

/// What Redis is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueUse {
    /// Any command.
    Connect,
    /// A script that writes a key.
    Write,
    /// `PUBLISH`.
    Publish,
    /// `SUBSCRIBE`.
    Subscribe,
    /// The scripts that push, fetch and acknowledge a message.
    Deliver,
}

impl fmt::Display for QueueUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Write => "writing a key with a script",
            Self::Publish => "publishing a wake-up (PUBLISH)",
            Self::Subscribe => "receiving wake-ups (SUBSCRIBE)",
            Self::Deliver => "sending a message through the queue",
        })
    }
}

/// The first use that fails, and why.
#[derive(Debug, thiserror::Error)]
#[error("{failed_use} failed: {error}")]
pub struct Diagnosis {
    /// What failed.
    pub failed_use: QueueUse,
    /// Why.
    pub error: QueueError,
}

/// Checks everything that relay and workers need. Returns the number of entries in the queue.
///
/// The message goes through a queue of its own under the prefix, which is removed, so that no worker is woken.
///
/// # Errors
/// The first use that fails.
pub async fn diagnose(config: &QueueConfig) -> Result<u64, Diagnosis> {
    let failed = |failed_use| move |error| Diagnosis { failed_use, error };
    let mut publisher = Publisher::connect(config).await.map_err(failed(QueueUse::Connect))?;
    let mut conn = connect(config).await.map_err(failed(QueueUse::Connect))?;
    check_write(&mut conn, config).await.map_err(failed(QueueUse::Write))?;
    check_publish(&mut conn, config).await.map_err(failed(QueueUse::Publish))?;
    receive_publication(config).await.map_err(failed(QueueUse::Subscribe))?;
    let depth = publisher.depth().await.map_err(failed(QueueUse::Deliver))?;
    let queue = config.with_prefix(format!("{}:doctor:{}", config.prefix(), Uuid::new_v4()));
    let delivered = deliver(&queue).await;
    let removed = remove_queue(&queue).await;
    delivered.and(removed).map_err(failed(QueueUse::Deliver))?;
    Ok(depth)
}

/// Subscribes to the channel of the wake-ups and receives a publication that wakes no worker.
async fn receive_publication(config: &QueueConfig) -> Result<(), QueueError> {
    let mut messages = subscribe(config).await?.into_on_message();
    check_publish(&mut connect(config).await?, config).await?;
    let received = async {
        while let Some(message) = messages.next().await {
            if message.get_payload_bytes() == PROBE_PAYLOAD {
                return true;
            }
        }
        false
    };
    match timeout(DELIVERY_TIMEOUT, received).await {
        Ok(true) => Ok(()),
        _ => Err(QueueError::NotDelivered(config.wake_channel())),
    }
}

/// Sends a message to a listener in this process.
async fn deliver(queue: &QueueConfig) -> Result<(), QueueError> {
    let name = unique_worker_name(queue);
    let mut publisher = Publisher::connect(queue).await?;
    let (sender, mut messages) = mpsc::unbounded_channel();
    let on_notification = move |notification| {
        if matches!(notification, QueueNotification::Message(_)) {
            // the receiver ends with the first message
            sender.send(()).ok();
        }
    };
    let exchange = async {
        publisher.publish(&[Uuid::now_v7()]).await?;
        messages.recv().await;
        // what was received is acknowledged by another script
        while publisher.prune().await? == 0 {
            sleep(ACKNOWLEDGEMENT_INTERVAL).await;
        }
        Ok::<_, QueueError>(())
    };
    let outcome = tokio::select! {
        error = listen_once(queue, &name, || {}, on_notification) => Err(error),
        outcome = timeout(DELIVERY_TIMEOUT, exchange) => outcome.unwrap_or_else(|_| Err(QueueError::NotDelivered(queue.queue_name()))),
    };
    let removed = remove_worker(queue, &name).await;
    outcome?;
    removed.map(drop)
}

/// Removes what remains of the queue of a diagnosis.
async fn remove_queue(queue: &QueueConfig) -> Result<(), QueueError> {
    let mut conn = connect(queue).await?;
    apalis_compat::remove_queue(&mut conn, &queue_keys(queue)).await?;
    redis::cmd("DEL").arg(queue.probe_key()).exec_async(&mut conn).await?;
    Ok(())
}
