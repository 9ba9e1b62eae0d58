//! `aprendiz`: the HTTP API with its relay and reaper, and the command line that talks to it.

mod api;
mod bucket_walk;
mod cli;
mod config;
mod database;
mod importer;
mod metrics;
mod reaper;
mod relay;
mod serve;
mod sweeper;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // one crypto provider for every TLS connection of the process; it fails only when one is installed already
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let exit = runtime.block_on(cli::run(cli));
    // a reader of standard input may still be blocked: it must not keep the process
    runtime.shutdown_background();
    exit
}
