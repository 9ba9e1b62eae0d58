//! Listener: the worker's side of the queue.

use std::time::Duration;

use apalis::prelude::{BackendExt as _, WorkerBuilder};
use apalis_redis::RedisStorage;
use aprendiz_db::{Backoff, WarnOnce};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{IntervalStream, ReceiverStream};
use tokio_util::sync::CancellationToken;

use crate::apalis_compat::{RawText, ReclaimedEntries, queue_keys, reclaim_entries, unique_worker_name};
use crate::config::QueueConfig;
use crate::connection::{client, connect};
use crate::error::QueueError;
use crate::message::RunMessage;

/// Interval of polls without a wake-up, in case one is lost.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Heartbeat of apalis; after ten missed ones, the entries of a dead worker are handed on.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
const MISSED_HEARTBEATS: usize = 10;
/// Entries fetched at once. Handlers return at once, so nothing is buffered behind a long one.
const BATCH_SIZE: usize = 100;
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// What the listener reports.
#[derive(Debug)]
pub enum QueueNotification {
    /// Some run was published. Every listening worker gets this, whichever fetches the message.
    Wakeup,
    /// A message of the queue; each goes to one worker.
    Message(RunMessage),
    /// An entry that is no message, with the reason. It is dropped.
    Malformed(String),
    /// The listener is connected: wake-ups arrive from now on.
    Connected,
    /// Redis is unavailable: no wake-up arrives until the next [`QueueNotification::Connected`].
    Disconnected,
}

/// Calls `on_notification` for every notification until `shutdown`; the callback must return at once.
///
/// Reconnects for ever when Redis is unavailable, and logs each cause once. Running trainings are not affected: they do not execute
/// in here.
pub async fn listen<F>(config: &QueueConfig, shutdown: CancellationToken, on_notification: F)
where
    F: Fn(QueueNotification) + Clone + Send + Sync + 'static,
{
    let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
    let mut warned = WarnOnce::default();
    while !shutdown.is_cancelled() {
        let started = tokio::time::Instant::now();
        let name = unique_worker_name(config);
        let outcome = tokio::select! {
            () = shutdown.cancelled() => return,
            outcome = listen_once(config, &name, &shutdown, on_notification.clone()) => outcome,
        };
        on_notification(QueueNotification::Disconnected);
        if shutdown.is_cancelled() {
            return;
        }
        let error = outcome.err().map_or_else(|| "the apalis worker ended".to_owned(), |error| error.to_string());
        if started.elapsed() > MAX_BACKOFF {
            backoff.reset();
            warned.clear();
        }
        match remove_worker(config, &name).await {
            Ok(ReclaimedEntries { without_data: 0, .. }) | Err(_) => {}
            Ok(ReclaimedEntries { without_data, entries }) => {
                tracing::warn!(without_data, entries, "dropped queue entries that have lost their data; reconnecting");
                continue;
            }
        }
        if warned.is_new(&error) {
            tracing::warn!(error, "queue unavailable: no wake-ups until it is back");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(backoff.next_delay()) => {}
        }
    }
}

async fn remove_worker(config: &QueueConfig, name: &str) -> Result<ReclaimedEntries, QueueError> {
    reclaim_entries(&mut connect(config).await?, &queue_keys(config), name).await
}

async fn listen_once<F>(config: &QueueConfig, name: &str, shutdown: &CancellationToken, on_notification: F) -> Result<(), QueueError>
where
    F: Fn(QueueNotification) + Clone + Send + Sync + 'static,
{
    let conn = connect(config).await?;
    let (wakeups, wakeup_receiver) = mpsc::channel(1);
    let subscription = subscribe(config).await?;
    on_notification(QueueNotification::Connected);
    // for what was published while no listener was connected
    on_notification(QueueNotification::Wakeup);
    let forward = forward_wakeups(subscription, wakeups, on_notification.clone());

    let keys = queue_keys(config).batch_size(BATCH_SIZE).heartbeat_interval(HEARTBEAT_INTERVAL).missed_heartbeats(MISSED_HEARTBEATS);
    let polls = IntervalStream::new(tokio::time::interval(POLL_INTERVAL)).map(|_| ());
    let fetches: BoxStream<'static, ()> = stream::select(ReceiverStream::new(wakeup_receiver), polls).boxed();
    let storage = RedisStorage::<String>::new(conn).with_config(keys).with_codec(RawText).poll_with_stream(fetches);
    let worker = WorkerBuilder::new(name).backend(storage).build(move |text: String| {
        on_notification(RunMessage::decode(&text).map_or_else(QueueNotification::Malformed, QueueNotification::Message));
        async { Ok::<(), std::convert::Infallible>(()) }
    });
    tracing::info!("listening for wake-ups");
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        () = forward => Ok(()),
        outcome = worker.run().boxed() => outcome.map_err(|error| QueueError::Apalis(error.to_string())),
    }
}

async fn subscribe(config: &QueueConfig) -> Result<redis::aio::PubSub, QueueError> {
    let mut subscription = client(config)?.get_async_pubsub().await?;
    subscription.subscribe(config.wake_channel()).await?;
    Ok(subscription)
}

/// Forwards wake-ups until Redis closes the subscription.
async fn forward_wakeups(subscription: redis::aio::PubSub, wakeups: mpsc::Sender<()>, on_notification: impl Fn(QueueNotification)) {
    let mut messages = subscription.into_on_message();
    while messages.next().await.is_some() {
        // a worker must not depend on the message itself: a busy one may have fetched it
        on_notification(QueueNotification::Wakeup);
        // a full channel means that a wake-up is already pending
        let _ = wakeups.try_send(());
    }
}
