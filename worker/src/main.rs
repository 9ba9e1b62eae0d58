//! `aprendiz-worker`: claims training runs and executes them.

mod attempt;
mod build_info;
mod child;
mod claim_loop;
mod cli;
mod config;
mod context;
mod deps;
mod embed;
mod file_access;
mod heartbeat;
mod host_info;
mod interruption;
mod lease;
mod metrics;
mod pipeline;
mod probes;
mod retry;
mod scratch;
mod serve_models;
mod shutdown;

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use aprendiz_config::Environment;
use aprendiz_telemetry::Service;
use clap::Parser as _;

use crate::child::entry;
use crate::cli::{Arguments, Command};
use crate::config::WorkerConfig;
use crate::context::WorkerContext;
use crate::probes::Probes;
use crate::shutdown::Shutdown;

// the system allocator would return and clear the memory of each training step
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The worker as traces name it.
const SERVICE: Service = Service { name: "aprendiz-worker", version: env!("CARGO_PKG_VERSION") };

fn main() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::Train { job, parent }) => entry::train(&job, parent),
        Some(Command::Evaluate { job, parent }) => entry::evaluate(&job, parent),
        Some(Command::Embed(args)) => embed::run(&args),
        Some(Command::ServeModels(args)) => serve_models::run(&args),
        None => match serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("aprendiz-worker: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn serve() -> Result<()> {
    let env = Environment::process();
    rustls::crypto::ring::default_provider().install_default().map_err(|_| anyhow!("another TLS crypto provider is already installed"))?;
    // apalis logs each failure three times and every attempt to reconnect; the queue listener logs each cause once
    let filter = "info,sqlx=warn,apalis_core=off";
    let telemetry = aprendiz_telemetry::start(&env.log()?, filter, env.traces()?.as_ref(), SERVICE)?;
    let outcome = claim_until_shutdown(&env);
    telemetry.finish();
    outcome
}

fn claim_until_shutdown(env: &Environment) -> Result<()> {
    let config = WorkerConfig::read(env)?;
    file_access::restrict();
    aprendiz_test_gate::watch(&config.scratch);
    let metrics_handle = metrics::install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")?;
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::on_signals("releasing running runs")?;
        let probes = Probes::listen(config.probe_listen, metrics_handle).await?;
        let connecting = shutdown.draining().run_until_cancelled(WorkerContext::connect(config));
        let Some(context) = connecting.await.transpose()? else { return Ok(()) };
        claim_loop::serve(context, shutdown, probes).await;
        Ok(())
    });
    // a blocking evaluation of an abandoned run may still be computing: do not wait for it
    runtime.shutdown_background();
    outcome
}
