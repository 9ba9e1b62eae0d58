//! `aprendiz logout`: removes a profile and its key.

use aprendiz_config::Environment;
use clap::Args;
use serde_json::json;

use crate::cli::connection::{ClientArgs, DEFAULT_PROFILE, Profiles};
use crate::cli::error::CliError;
use crate::cli::terminal::Output;

/// Arguments of `aprendiz logout`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz logout
  aprendiz logout --profile prod

The key stays valid on the server: revoke it with `aprendiz api-key revoke`.")]
pub(crate) struct LogoutArgs {}

pub(crate) fn run(args: &ClientArgs, output: Output) -> Result<(), CliError> {
    let env = Environment::process();
    let mut profiles = Profiles::read(&env)?;
    let name = args.profile.clone().or_else(|| env.text("APRENDIZ_PROFILE")).unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
    if !profiles.remove(&name)? {
        let known = profiles.names().join(", ");
        let known = if known.is_empty() { "there are none".to_owned() } else { format!("profiles: {known}") };
        return Err(CliError::Refused(format!("no profile `{name}` ({known})")));
    }
    output.print(&json!({ "name": name, "removed": true }), || format!("profile {name} and its key are removed from this computer"))?;
    Ok(())
}
