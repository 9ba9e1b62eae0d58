//! S3-compatible server over a folder, for development and tests: it keeps objects as plain files, checks signatures of
//! one key pair, and listens on the loopback interface only. Not for production: a conditional put is not atomic, a put
//! with a wrong checksum is answered with an error but kept, and unfinished multipart uploads cannot be listed.

mod config;
mod server;

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
