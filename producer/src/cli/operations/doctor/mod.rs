//! `aprendiz doctor`: checks what can be checked from here, and suggests fixes.
//!
//! With a URL and a key only, it asks the API. Where the variables of a server are set, it also uses every service as a server does.

mod api;
mod check;
mod services;

use aprendiz_config::Environment;
use clap::Args;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::operations::doctor::check::{Check, CheckState};
use crate::cli::terminal::{Output, table};

/// Arguments of `aprendiz doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz doctor             what the API reports; on the host of a server, also its services
  aprendiz doctor --client    only what the API reports
  aprendiz doctor --server    also database, sessions, Redis, bucket, provider of sign-ins, background tasks and disk

The exit code is 1 if a check failed. Warnings do not change it.")]
pub(crate) struct DoctorArgs {
    /// Check the services of a server [default: if DATABASE_URL, PG*, REDIS_URL or APRENDIZ_BUCKET is set]
    #[arg(long, conflicts_with = "client")]
    server: bool,
    /// Check only what the API reports
    #[arg(long)]
    client: bool,
}

pub(crate) async fn run(client: &Client, args: &DoctorArgs, output: Output) -> Result<(), CliError> {
    let is_server = args.server || (!args.client && services::is_server_environment(&Environment::process()));
    let mut checks = if is_server {
        let (mut services, api) = tokio::join!(services::check_services(), api::check_api(client));
        // the clock of the database decides; that of the API is read to the second
        let has_clock = services.iter().any(|check| check.name == "clock");
        services.extend(api.into_iter().filter(|check| !(has_clock && check.name == "clock")));
        services
    } else {
        api::check_api(client).await
    };
    checks.sort_by_key(|check| ORDER.iter().position(|name| *name == check.name));
    output.print(&checks, || render(&checks))?;
    let failed = checks.iter().filter(|check| check.state == CheckState::Failed).count();
    if failed == 0 { Ok(()) } else { Err(CliError::Failed(anyhow::anyhow!("{failed} of {} checks failed", checks.len()))) }
}

/// Names of the checks in the order of the report.
const ORDER: [&str; 12] =
    ["database", "sessions", "redis", "bucket", "oidc", "api", "tasks", "clock", "disk", "workers", "base models", "scratch"];

fn render(checks: &[Check]) -> String {
    let rows: Vec<Vec<String>> =
        checks.iter().map(|check| vec![check.name.to_owned(), check.state.label().to_owned(), check.detail.clone()]).collect();
    table(&["service", "state", "detail"], &[], &rows)
}
