//! `aprendiz-worker`: claims runs and carries them out. Wiring only.

mod attempt;
mod child;
mod config;
mod context;
mod embed;
mod failure;
mod handler;
mod instruments;
mod lease;
mod machine;
mod patience;
mod pipeline;
mod probes;
mod shutdown;
mod supervisor;
mod vitals;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::{Parser, Subcommand};
use environment::{Environment, init_logs};

use crate::config::WorkerConfig;
use crate::context::WorkerContext;
use crate::probes::Probes;
use crate::shutdown::Shutdown;

// what a training allocates and frees in each step would otherwise go back to the system and be cleared again
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Claims training runs and carries them out: dataset, training in a child process, evaluation, upload, publication.
///
/// Start as many as you like, on as many hosts; each reads its configuration from the environment: DATABASE_URL (or PG*), REDIS_URL,
/// APRENDIZ_BUCKET, AWS_* and AWS_ENDPOINT_URL_S3, and APRENDIZ_SLOTS (runs at once, 1), APRENDIZ_THREADS (per run, all cores),
/// APRENDIZ_SCRATCH (folder for work files), APRENDIZ_BASE_MODELS (folder of base models), HF_HOME, APRENDIZ_HUB (where
/// those that are missing are fetched; nowhere), HF_TOKEN, APRENDIZ_EMBEDDINGS (folder of vectors that base models made before), APRENDIZ_EMBEDDINGS_MB (most of them, 1024; 0 = none), APRENDIZ_LEASE_SECONDS (30),
/// APRENDIZ_LOOK_SECONDS (30), APRENDIZ_CHECKPOINT_SECONDS (30), APRENDIZ_GRACE_SECONDS (20), APRENDIZ_CHILD_SILENCE_SECONDS (600),
/// APRENDIZ_PROBE_LISTEN (address of /healthz, /readyz, /metrics; none), RUST_LOG.
///
/// SIGTERM or Ctrl-C saves a checkpoint and hands running work back without spending an attempt; a second signal ends at once.
/// `aprendiz worker drain` lets it finish its runs first.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Trains one job; started by the worker itself, without access to database or bucket
    #[command(hide = true)]
    Train {
        /// The job file
        #[arg(long)]
        job: PathBuf,
        /// Process id of the worker
        #[arg(long)]
        parent: i32,
    },
    /// Evaluates an encoder; started by the worker itself, in the same way
    #[command(hide = true)]
    Evaluate {
        /// The job file
        #[arg(long)]
        job: PathBuf,
        /// Process id of the worker
        #[arg(long)]
        parent: i32,
    },
    /// Turns texts into vectors with an encoder in a directory; needs no database, queue or bucket
    Embed(embed::EmbedArgs),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::Train { job, parent }) => child::train(&job, parent),
        Some(Command::Evaluate { job, parent }) => child::evaluate(&job, parent),
        Some(Command::Embed(args)) => embed::run(&args),
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
    init_logs(&env.log()?, "info,sqlx=warn")?;
    let config = WorkerConfig::read(&env)?;
    aprendiz_test_gate::watch(&config.scratch);
    rustls::crypto::ring::default_provider().install_default().map_err(|_| anyhow!("another crypto provider was installed"))?;
    let metrics = instruments::install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")?;
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        let probes = Probes::listen(config.probe_listen, metrics).await?;
        let connecting = shutdown.draining().run_until_cancelled(WorkerContext::connect(config));
        let Some(context) = connecting.await.transpose()? else { return Ok(()) };
        handler::serve(context, shutdown, probes).await;
        Ok(())
    });
    // the scoring of a run that was given up may still compute on a thread: nobody waits for it
    runtime.shutdown_background();
    outcome
}
