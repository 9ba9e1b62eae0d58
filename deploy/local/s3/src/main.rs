//! S3-compatible server over a folder, for development and tests: it keeps objects as plain files, checks signatures of
//! one key pair and the checksums of bodies and parts, and listens on the loopback interface only. Flags make it as strict as other stores.
//! Not for production: bodies are held in memory, a conditional put is not atomic, and a restart forgets the list of unfinished uploads.

mod access;
mod checksum;
mod config;
mod server;
mod store;
mod uploads;

use std::io::IsTerminal;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::config::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).init();
    server::run(config).await
}
