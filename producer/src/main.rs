//! `aprendiz`: the server (HTTP API and background tasks) and the command line that is a client of it.

mod api;
mod cli;
mod config;
mod connection;
mod database;
mod limits;
#[cfg(test)]
mod message_tests;
mod oidc;
mod server;
mod worker_program;

use std::process::ExitCode;

/// Returns freed memory of large texts to the system, which the default allocator keeps in the arenas of many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::parse();
    // One crypto provider for every TLS connection of the process. Installing fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let exit = runtime.block_on(cli::run(cli));
    // do not wait for a thread that is blocked on reading standard input
    runtime.shutdown_background();
    exit
}
