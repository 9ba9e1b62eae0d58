//! The worker's side: hears announcements.

use std::time::Duration;

use apalis::prelude::{BackendExt as _, WorkerBuilder};
use apalis_redis::{Config, RedisStorage};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{IntervalStream, ReceiverStream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::codec::RawText;
use crate::config::QueueConfig;
use crate::connection::{client, connect};
use crate::error::QueueError;
use crate::forget::{Forgotten, forget_worker};
use crate::message::RunMessage;

/// How often the queue is looked at without a wake-up, should one be lost.
const POLL: Duration = Duration::from_secs(2);
/// apalis' own sign of life; an entry of a dead worker is handed on after ten missed ones.
const HEARTBEAT: Duration = Duration::from_secs(5);
const MISSED_HEARTBEATS: usize = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the worker heard.
#[derive(Debug)]
pub enum Ring {
    /// Something was announced; every listening worker hears this, whoever fetches the message.
    Woken,
    /// A message of the queue; one worker gets each.
    Message(RunMessage),
    /// An entry that is no message, with the reason: to be logged and forgotten.
    Garbage(String),
    /// From now on announcements are heard.
    Listening,
    /// Redis is away: nothing is heard until [`Ring::Listening`] comes again.
    Deaf,
}

/// Calls `on_ring` for every announcement until `shutdown`; it must return at once. When Redis goes away it is tried again
/// for ever, with one warning per cause: running trainings are not touched, they do not live in here.
pub async fn listen<F>(config: &QueueConfig, shutdown: CancellationToken, on_ring: F)
where
    F: Fn(Ring) + Clone + Send + Sync + 'static,
{
    let mut pause = FIRST_PAUSE;
    // the newest complaint: another one is news
    let mut told = String::new();
    while !shutdown.is_cancelled() {
        let started = tokio::time::Instant::now();
        // two apalis workers of one name would steal each other's registration, and a restart under an old name is refused
        let name = format!("{}-{}", config.prefix, Uuid::new_v4());
        let outcome = tokio::select! {
            () = shutdown.cancelled() => return,
            outcome = listen_once(config, &name, &shutdown, on_ring.clone()) => outcome,
        };
        on_ring(Ring::Deaf);
        if shutdown.is_cancelled() {
            return;
        }
        let error = outcome.err().map_or_else(|| "the apalis worker ended".to_owned(), |error| error.to_string());
        if started.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
            told.clear();
        }
        match forget_worker(config, &name).await {
            Ok(Forgotten { without_data: 0, .. }) | Err(_) => {}
            Ok(Forgotten { without_data, entries }) => {
                tracing::warn!(without_data, entries, "entries of the queue have lost their data and are dropped: listening anew");
                continue;
            }
        }
        if told != error {
            tracing::warn!(error, "the queue is away: announcements are not heard until it is back");
            told = error;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn listen_once<F>(config: &QueueConfig, name: &str, shutdown: &CancellationToken, on_ring: F) -> Result<(), QueueError>
where
    F: Fn(Ring) + Clone + Send + Sync + 'static,
{
    let conn = connect(config).await?;
    let (wakes, heard) = mpsc::channel(1);
    let subscription = subscribe(config).await?;
    on_ring(Ring::Listening);
    // what was announced while nobody listened
    on_ring(Ring::Woken);
    let forward = forward_wakes(subscription, wakes, on_ring.clone());

    let keys = Config::default()
        .queue(config.queue_name())
        // handlers return at once, so nothing is buffered behind a long one
        .batch_size(100)
        .heartbeat_interval(HEARTBEAT)
        .missed_heartbeats(MISSED_HEARTBEATS)
        .emit_events(false);
    let polls = IntervalStream::new(tokio::time::interval(POLL)).map(|_| ());
    let wake_ups: BoxStream<'static, ()> = stream::select(ReceiverStream::new(heard), polls).boxed();
    let storage = RedisStorage::<String>::new(conn).with_config(keys).with_codec(RawText).poll_with_stream(wake_ups);
    let worker = WorkerBuilder::new(name).backend(storage).build(move |text: String| {
        on_ring(RunMessage::decode(&text).map_or_else(Ring::Garbage, Ring::Message));
        async { Ok::<(), std::convert::Infallible>(()) }
    });
    tracing::info!("listening for announcements");
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        () = forward => Ok(()),
        outcome = worker.run().boxed() => outcome.map_err(|error| QueueError::Push(error.to_string())),
    }
}

async fn subscribe(config: &QueueConfig) -> Result<redis::aio::PubSub, QueueError> {
    let mut subscription = client(config)?.get_async_pubsub().await?;
    subscription.subscribe(config.wake_channel()).await?;
    Ok(subscription)
}

/// Ends when Redis closes the subscription.
async fn forward_wakes(subscription: redis::aio::PubSub, wakes: mpsc::Sender<()>, on_ring: impl Fn(Ring)) {
    let mut messages = subscription.into_on_message();
    while messages.next().await.is_some() {
        // a worker must not depend on getting the message itself: a busy one may have fetched it
        on_ring(Ring::Woken);
        // a full channel means that a wake-up is pending already
        let _ = wakes.try_send(());
    }
}
