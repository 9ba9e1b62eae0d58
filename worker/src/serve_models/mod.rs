//! `aprendiz-worker serve-models`: a long-lived process that predicts with models whose encoder only this binary can compute.
//!
//! The API calls it on a Unix domain socket. It needs the object store, but neither the database nor Redis.

mod batch;
mod config;
#[cfg(test)]
mod fixture;
mod folders;
mod metrics;
mod model;
mod models;
mod queue;
mod router;
mod socket;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use aprendiz_artifacts::Store;
use aprendiz_config::Environment;
use aprendiz_telemetry::Service;
use clap::Args;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::file_access;
use crate::serve_models::config::{ENVIRONMENT, InferenceConfig};
use crate::serve_models::folders::ModelFolders;
use crate::serve_models::models::Models;
use crate::serve_models::router::{ServiceState, router};
use crate::shutdown::Shutdown;

/// Time that requests get at shutdown.
const GRACE_PERIOD: Duration = Duration::from_secs(10);

/// Arguments of `aprendiz-worker serve-models`.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  aprendiz-worker serve-models --socket /run/aprendiz/inference.sock
  APRENDIZ_INFERENCE_SOCKET=/run/aprendiz/inference.sock aprendiz serve

On one host, `aprendiz serve --with-inference` starts and restarts this process itself. Only the user of this process can open the socket,
so the server must run as the same user. --help lists the environment variables.",
    after_long_help = ENVIRONMENT
)]
pub(crate) struct ServeModelsArgs {
    /// Unix domain socket to listen on [default: APRENDIZ_INFERENCE_SOCKET]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Stop when standard input ends; set by `aprendiz serve --with-inference`
    #[arg(long, hide = true)]
    until_end_of_input: bool,
}

pub(crate) fn run(args: &ServeModelsArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aprendiz-worker serve-models: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &ServeModelsArgs) -> Result<()> {
    let env = Environment::process();
    // no trace reaches this process: the API sends texts without a trace context
    let service = Service { name: "aprendiz-inference", version: env!("CARGO_PKG_VERSION") };
    aprendiz_telemetry::start(&env.log()?, "info", None, service)?.finish();
    let config = InferenceConfig::read(&env)?;
    let socket = args.socket.clone().or_else(|| config.socket.clone());
    let socket =
        socket.context("no socket to listen on: set --socket or APRENDIZ_INFERENCE_SOCKET, such as /run/aprendiz/inference.sock")?;
    file_access::restrict();
    rustls::crypto::ring::default_provider().install_default().map_err(|_| anyhow!("another TLS crypto provider is already installed"))?;
    let threads =
        rayon::ThreadPoolBuilder::new().num_threads(config.threads).build().context("cannot start the threads of the computation")?;
    let recorder = metrics::install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")?;
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::on_signals("answering requests in progress")?;
        let stop = shutdown.shutting_down().clone();
        if args.until_end_of_input {
            stop_at_end_of_input(stop.clone());
        }
        let store = Store::connect(&config.store).await?;
        let models = Models::new(ModelFolders::new(store, config.cache_dir.clone(), config.cache_bytes, threads), config.limits);
        let state = ServiceState::new(models, config.limits, Some(recorder));
        listen(&socket, state, stop).await
    });
    // a computation whose request was aborted may still be running
    runtime.shutdown_background();
    outcome
}

/// Serves requests until `stop`, then answers those in progress.
async fn listen(path: &Path, state: ServiceState<ModelFolders>, stop: CancellationToken) -> Result<()> {
    let (listener, file) = socket::listen(path)?;
    info!(socket = %path.display(), "serving models");
    let models = state.models.clone();
    let upkeep = tokio::spawn({
        let (models, stop) = (models.clone(), stop.clone());
        async move { models.unload_idle(stop).await }
    });
    let stopped = stop.clone();
    let serving = axum::serve(listener, router(state)).with_graceful_shutdown(async move {
        stopped.cancelled().await;
        // while the listener is open, the file cannot be that of another process
        drop(file);
    });
    tokio::select! {
        result = serving.into_future() => result.context("the listener failed")?,
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE_PERIOD).await } => {
            warn!(grace_seconds = GRACE_PERIOD.as_secs(), "aborting requests that are still in progress");
        }
    }
    upkeep.abort();
    if timeout(Duration::from_secs(1), models.close()).await.is_err() {
        warn!("stopping while predictions are still computed");
    }
    info!("stopped");
    Ok(())
}

/// Stops when the process that started this one ends, however it ends: the system closes its end of the pipe.
fn stop_at_end_of_input(stop: CancellationToken) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stop.cancel();
    });
}
