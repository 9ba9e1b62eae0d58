//! Assembles and runs the server: database, bucket, background tasks and API; shuts them down in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aprendiz_artifacts::Store;
use aprendiz_runs::BackgroundTask;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::api::{AppState, ComparisonDeps, Compute, EventHub, InferenceClient, ModelCache, ShadowDeps, ShadowQueue, router};
use crate::config::ServerConfig;
use crate::connection::{self, ConnectionLimits};
use crate::database;
use crate::oidc::Provider;
use crate::server::import_worker::{self, ImportWorkerConfig};
use crate::server::inference_process::InferenceProcess;
use crate::server::task_health::{self, TaskHealth};
use crate::server::{metrics, promoter, reaper, relay, shadow, sweeper};

/// Time that in-flight requests get at shutdown.
const SHUTDOWN_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// Time without a successful round after which relay, reaper, import worker and the comparison of challengers count as overdue. Their
/// rounds are at most 2 s apart; after a failure, at most 30 s.
const OVERDUE_AFTER: Duration = Duration::from_secs(30);

/// Optional background tasks of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServeOptions {
    pub(crate) relay: bool,
    pub(crate) reaper: bool,
    /// Whether to start an inference process on this host.
    pub(crate) inference: bool,
}

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn run(config: ServerConfig, options: ServeOptions) -> Result<()> {
    // uploads and models are stored without access for other users
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let database = database::connect(&config.database).await?;
    database::require_usable(&mut *database.read().await?).await.with_context(|| format!("database {}", config.database.location()))?;
    let store = Store::connect(&config.store).await?;
    store.check().await.context("cannot use the object store: `aprendiz doctor` checks it")?;
    let listener =
        TcpListener::bind(config.api.listen).await.with_context(|| format!("APRENDIZ_LISTEN: cannot listen on {}", config.api.listen))?;
    warn_if_exposed(config.api.listen);

    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    let events = EventHub::new();
    let mut background_tasks = Vec::new();
    let hub = tasks.spawn(events.clone().run(database.session("aprendiz-events"), shutdown.clone()));
    background_tasks.push(("events", hub.abort_handle()));
    let compute = Compute::new();
    let changed = Arc::new(Notify::new());
    let mut healths = Vec::new();
    let mut health = |task, overdue_after| {
        let health = TaskHealth::new(task, overdue_after, &changed);
        healths.push(health.clone());
        health
    };
    if options.relay {
        let health = health(BackgroundTask::Relay, OVERDUE_AFTER);
        let (database, queue, stop) = (database.clone(), config.queue.clone(), shutdown.clone());
        // runs on its own thread, so that publishing never waits for the work of the API
        let relay = tasks.spawn_blocking(move || Handle::current().block_on(relay::run(database, queue, health, stop)));
        background_tasks.push(("relay", relay.abort_handle()));
    }
    if options.reaper {
        let (reaper_health, sweeper_health) =
            (health(BackgroundTask::Reaper, OVERDUE_AFTER), health(BackgroundTask::Sweeper, sweeper::overdue_after(&config.sweep)));
        let reaper = tasks.spawn(reaper::run(database.clone(), reaper_health, shutdown.clone()));
        background_tasks.push(("reaper", reaper.abort_handle()));
        let sweeper =
            tasks.spawn(sweeper::run(database.clone(), store.clone(), config.sweep, config.api.sessions, sweeper_health, shutdown.clone()));
        background_tasks.push(("sweeper", sweeper.abort_handle()));
        let comparison = ComparisonDeps { database: database.clone(), store: store.clone(), compute: compute.clone() };
        let promoter_health = health(BackgroundTask::Promoter, promoter::OVERDUE_AFTER);
        let promoter = tasks.spawn(promoter::run(comparison, promoter_health, shutdown.clone()));
        background_tasks.push(("promoter", promoter.abort_handle()));
    }
    let recorder = metrics::install();
    background_tasks.push(("metrics", tasks.spawn(metrics::run_upkeep(recorder.clone(), shutdown.clone())).abort_handle()));
    let imports = Arc::new(Notify::new());
    let import_config = ImportWorkerConfig { ratios: config.api.split_ratios, total_bytes: config.api.max_import_decompressed_bytes };
    let import_health = health(BackgroundTask::ImportWorker, OVERDUE_AFTER);
    let import_worker = tasks.spawn(import_worker::run(
        database.clone(),
        store.clone(),
        import_config,
        Arc::clone(&imports),
        import_health,
        shutdown.clone(),
    ));
    background_tasks.push(("import_worker", import_worker.abort_handle()));
    let models = Arc::new(ModelCache::new(store.clone(), config.api.model_cache_dir.clone(), config.api.model_cache_size));
    let mut inference_socket = config.api.inference_socket.clone();
    // stopped after the requests, which need it
    let inference_stop = CancellationToken::new();
    if options.inference {
        let process = InferenceProcess::start(inference_socket.as_deref())?;
        inference_socket = Some(process.socket().to_owned());
        let supervisor = tasks.spawn(process.supervise(inference_stop.clone()));
        background_tasks.push(("inference", supervisor.abort_handle()));
    }
    let inference = inference_socket.map(|socket| InferenceClient::new(&socket, config.api.request_timeout)).transpose()?;
    let oidc = config.api.oidc.clone().map(Provider::new).transpose().context("cannot make connections to the provider of sign-ins")?;
    let (shadow_queue, shadow_inputs) = ShadowQueue::new();
    let shadow_deps = ShadowDeps {
        database: database.clone(),
        store: store.clone(),
        models: Arc::clone(&models),
        inference: inference.clone(),
        compute: compute.clone(),
    };
    let shadow_health = health(BackgroundTask::Shadow, OVERDUE_AFTER);
    let shadow = tasks.spawn(shadow::run(shadow_deps, shadow_queue.clone(), shadow_inputs, shadow_health, shutdown.clone()));
    background_tasks.push(("shadow", shadow.abort_handle()));
    let reports = tasks.spawn(task_health::report(database.clone(), healths.clone(), changed, shutdown.clone()));
    background_tasks.push(("task_reports", reports.abort_handle()));
    let connection_limits = ConnectionLimits::new(&config.api.clients);
    let mut state = AppState::new(database.clone(), store, config.queue, config.api, events, recorder, shutdown.clone(), background_tasks);
    state.imports = imports;
    state.compute = compute;
    state.models = models;
    state.inference = inference;
    state.oidc = oidc.map(Arc::new);
    state.shadow = shadow_queue;
    state.task_health = healths.into();

    tokio::spawn(stop_on_signal(shutdown.clone())?);
    info!(address = %listener.local_addr()?, relay = options.relay, reaper = options.reaper, "serving");
    tokio::select! {
        () = connection::serve(listener, router(state), connection_limits, shutdown.clone()) => {}
        () = async { shutdown.cancelled().await; tokio::time::sleep(SHUTDOWN_GRACE_PERIOD).await } => {
            warn!(grace_seconds = SHUTDOWN_GRACE_PERIOD.as_secs(), "aborting requests that are still in flight");
        }
    }
    shutdown.cancel();
    inference_stop.cancel();
    tasks.close();
    tasks.wait().await;
    database.close().await;
    info!("stopped");
    Ok(())
}

fn warn_if_exposed(address: SocketAddr) {
    if !address.ip().is_loopback() {
        warn!(%address, "listening on a non-loopback address without TLS; put a TLS proxy in front");
    }
}

/// Registers the signal handlers now; the future cancels the token on the first signal.
fn stop_on_signal(shutdown: CancellationToken) -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!("received SIGTERM, shutting down"),
            _ = interrupt.recv() => info!("received Ctrl-C, shutting down"),
        }
        shutdown.cancel();
    })
}
