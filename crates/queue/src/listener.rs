//! Listener: the worker's side of the queue.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{BackendExt as _, WorkerBuilder};
use apalis_redis::RedisStorage;
use aprendiz_db::{Backoff, WarnOnce};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::{IntervalStream, ReceiverStream};
use tokio_util::sync::CancellationToken;

use crate::apalis_compat::{RawText, ReclaimedEntries, ScopedConnection, queue_keys, reclaim_entries, unique_worker_name};
use crate::config::QueueConfig;
use crate::connection::{connect, subscribe};
use crate::error::QueueError;
use crate::fault::RedisFault;
use crate::health::{PROBE_PAYLOAD, check};
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
/// Time limit of the removal of a worker at shutdown.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// Redis cannot be used: no wake-up arrives until the next [`QueueNotification::Connected`].
    Disconnected(RedisFault),
}

/// Calls `on_notification` for every notification until `shutdown`; the callback must return at once.
///
/// Reconnects for ever when Redis cannot be used, and logs each cause once. Running trainings are not affected: they do not execute
/// in here.
pub async fn listen<F>(config: &QueueConfig, shutdown: CancellationToken, on_notification: F)
where
    F: Fn(QueueNotification) + Clone + Send + Sync + 'static,
{
    let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
    let mut warned = WarnOnce::default();
    while !shutdown.is_cancelled() {
        let (name, started) = (unique_worker_name(config), Instant::now());
        let on_connected = || {
            warned.clear();
            tracing::info!("listening for wake-ups");
            on_notification(QueueNotification::Connected);
            // for what was published while no listener was connected
            on_notification(QueueNotification::Wakeup);
        };
        let listening = listen_once(config, &name, on_connected, on_notification.clone());
        let Some(error) = shutdown.run_until_cancelled(listening).await else {
            // Redis may be unavailable: then another worker removes this one when its heartbeats are missed
            let _ = tokio::time::timeout(REMOVAL_TIMEOUT, remove_worker(config, &name)).await;
            return;
        };
        if started.elapsed() > MAX_BACKOFF {
            backoff.reset();
        }
        on_notification(QueueNotification::Disconnected(error.fault()));
        if let Ok(ReclaimedEntries { without_data, entries }) = remove_worker(config, &name).await
            && without_data > 0
        {
            tracing::warn!(without_data, entries, "dropped queue entries that have lost their data; reconnecting");
            continue;
        }
        if warned.is_new(&error.cause()) {
            tracing::warn!(%error, cause = %error.fault(), "queue unavailable: no wake-ups until it is back");
        }
        shutdown.run_until_cancelled(tokio::time::sleep(backoff.next_delay())).await;
    }
}

pub(crate) async fn remove_worker(config: &QueueConfig, name: &str) -> Result<ReclaimedEntries, QueueError> {
    reclaim_entries(&mut connect(config).await?, &queue_keys(config), name).await
}

/// Listens until Redis fails. Connected means that the first fetch succeeded, not only that Redis answers.
pub(crate) async fn listen_once<F>(config: &QueueConfig, name: &str, on_connected: impl FnOnce() + Send, on_notification: F) -> QueueError
where
    F: Fn(QueueNotification) + Clone + Send + Sync + 'static,
{
    let subscribed = async {
        let mut conn = connect(config).await?;
        check(&mut conn, config).await?;
        Ok::<_, QueueError>((conn, subscribe(config).await?))
    };
    let (conn, subscription) = match subscribed.await {
        Ok(subscribed) => subscribed,
        Err(error) => return error,
    };
    let (wakeups, wakeup_receiver) = mpsc::channel(1);
    let forward = forward_wakeups(subscription, wakeups, on_notification.clone());

    let keys = queue_keys(config).batch_size(BATCH_SIZE).heartbeat_interval(HEARTBEAT_INTERVAL).missed_heartbeats(MISSED_HEARTBEATS);
    let fetched = Arc::new(Notify::new());
    let conn = ScopedConnection::new(conn, keys.workers_set(), Arc::clone(&fetched));
    let polls = IntervalStream::new(tokio::time::interval(POLL_INTERVAL)).map(|_| ());
    let fetches: BoxStream<'static, ()> = stream::select(ReceiverStream::new(wakeup_receiver), polls).boxed();
    let storage = RedisStorage::<String, _>::new(conn).with_config(keys).with_codec(RawText).poll_with_stream(fetches);
    let worker = WorkerBuilder::new(name).backend(storage).build(move |text: String| {
        on_notification(RunMessage::decode(&text).map_or_else(QueueNotification::Malformed, QueueNotification::Message));
        async { Ok::<(), Infallible>(()) }
    });
    let connected = async {
        fetched.notified().await;
        on_connected();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        never = connected => match never {},
        () = forward => QueueError::Apalis("the subscription was closed".to_owned()),
        outcome = worker.run().boxed() => {
            QueueError::Apalis(outcome.err().map_or_else(|| "the worker ended".to_owned(), |error| error.to_string()))
        }
    }
}

/// Forwards wake-ups until Redis closes the subscription.
async fn forward_wakeups(subscription: redis::aio::PubSub, wakeups: mpsc::Sender<()>, on_notification: impl Fn(QueueNotification)) {
    let mut messages = subscription.into_on_message();
    while let Some(message) = messages.next().await {
        if message.get_payload_bytes() == PROBE_PAYLOAD {
            continue;
        }
        // a worker must not depend on the message itself: a busy one may have fetched it
        on_notification(QueueNotification::Wakeup);
        // a full channel means that a wake-up is already pending
        let _ = wakeups.try_send(());
    }
}
