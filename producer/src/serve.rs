//! The server: wires database, bucket, relay, reaper and API together, and takes them down in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use artifacts::Store;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::api::{AppState, EventHub, router};
use crate::config::ServerConfig;
use crate::importer::ImporterConfig;
use crate::{database, importer, metrics, reaper, relay, sweeper};

/// Requests still under way at shutdown get so long.
const GRACE: Duration = Duration::from_secs(10);

/// What this process does beside the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Duties {
    pub(crate) relay: bool,
    pub(crate) reaper: bool,
}

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn run(config: ServerConfig, duties: Duties) -> Result<()> {
    let pool = database::connect(&config.database).await?;
    database::require_current_schema(&pool).await.with_context(|| format!("database {}", config.database.place()))?;
    let store = Store::connect(&config.store).await;
    store.check().await?;
    let listener =
        TcpListener::bind(config.api.listen).await.with_context(|| format!("APRENDIZ_LISTEN: cannot listen on {}", config.api.listen))?;
    warn_if_exposed(config.api.listen);

    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    let events = EventHub::new();
    let mut loops = Vec::new();
    let hub = tasks.spawn(events.clone().run(pool.clone(), shutdown.clone()));
    loops.push(("events", hub.abort_handle()));
    if duties.relay {
        let (options, queue, stop) = (config.database.options.clone(), config.queue.clone(), shutdown.clone());
        // a thread of its own: an announcement never waits behind the work of the API
        let relay = tasks.spawn_blocking(move || Handle::current().block_on(relay::run(options, queue, stop)));
        loops.push(("relay", relay.abort_handle()));
    }
    if duties.reaper {
        let reaper = tasks.spawn(reaper::run(config.database.options.clone(), shutdown.clone()));
        loops.push(("reaper", reaper.abort_handle()));
        let sweeper = tasks.spawn(sweeper::run(config.database.options.clone(), store.clone(), config.sweep, shutdown.clone()));
        loops.push(("sweeper", sweeper.abort_handle()));
    }
    let recorder = metrics::install();
    loops.push(("metrics", tasks.spawn(metrics::keep_up(recorder.clone(), shutdown.clone())).abort_handle()));
    let imports = Arc::new(Notify::new());
    let importing = ImporterConfig { ratios: config.api.split_ratios, total_bytes: config.api.max_import_decompressed_bytes };
    let importer = tasks.spawn(importer::run(pool.clone(), store.clone(), importing, Arc::clone(&imports), shutdown.clone()));
    loops.push(("importer", importer.abort_handle()));
    let mut state = AppState::new(pool.clone(), store, config.queue, config.api, events, recorder, shutdown.clone(), loops);
    state.imports = imports;

    tokio::spawn(stop_on_signal(shutdown.clone())?);
    info!(address = %listener.local_addr()?, relay = duties.relay, reaper = duties.reaper, "serving");
    let stopping = shutdown.clone();
    let serving = axum::serve(listener, router(state)).with_graceful_shutdown(stopping.cancelled_owned()).into_future();
    tokio::select! {
        outcome = serving => outcome.context("serving")?,
        () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => {
            warn!("some requests did not end within {} s and are broken off", GRACE.as_secs());
        }
    }
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    pool.close().await;
    info!("stopped");
    Ok(())
}

fn warn_if_exposed(address: SocketAddr) {
    if !address.ip().is_loopback() {
        warn!(%address, "listening beyond this machine without TLS: put a proxy with TLS in front");
    }
}

/// Registers the signals now; the future cancels the token at the first of them.
fn stop_on_signal(shutdown: CancellationToken) -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: stopping"),
            _ = interrupt.recv() => info!("Ctrl-C: stopping"),
        }
        shutdown.cancel();
    })
}
