//! `aprendiz api-key`: manages API keys directly in the database, because the first key cannot be created through the API.

use anyhow::Context as _;
use aprendiz_config::Environment;
use aprendiz_runs::{Role, RunsError, create_api_key, find_active_api_key, list_api_keys, revoke_api_key};
use clap::Subcommand;
use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::terminal::{Output, table};
use crate::database::connect_one;

/// Actor recorded in the audit log.
const ACTOR: &str = "command line";

/// Subcommands of `aprendiz api-key`.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Create an API key and print it once
    #[command(
        after_help = "Examples:\n  aprendiz api-key create --name spa --role operator\n  export APRENDIZ_API_KEY=$(aprendiz api-key create --name me --role admin -o json | jq -r .key)"
    )]
    Create {
        /// Name of the key, recorded as the actor in the audit log; no two active keys have the same name
        #[arg(long)]
        name: String,
        /// Role: viewer, reviewer, operator or admin
        #[arg(long)]
        role: Role,
    },
    /// List API keys, newest first, without their secrets
    List,
    /// Revoke an API key immediately
    #[command(after_help = "Examples:\n  aprendiz api-key revoke spa\n  aprendiz api-key revoke 01a1fd0a-322b-77a3-a61c-68ecd237a2dc")]
    Revoke {
        /// Key ID or name, as shown by `api-key list`
        #[arg(value_name = "ID|NAME")]
        key: String,
    },
}

pub(crate) async fn run(command: &ApiKeyCommand, output: Output) -> Result<(), CliError> {
    let config = Environment::process().database()?;
    let mut conn = connect_one(&config).await?;
    match command {
        ApiKeyCommand::Create { name, role } => {
            if name.trim().is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
                return Err(CliError::Usage("invalid --name: expected 1 to 100 characters without control characters".to_owned()));
            }
            if name.trim() == ACTOR {
                return Err(CliError::Usage(format!("invalid --name `{ACTOR}`: the audit log uses it for commands without a key")));
            }
            let key = match create_api_key(&mut conn, name.trim(), *role, ACTOR).await {
                Err(error @ RunsError::KeyNameTaken(_)) => return Err(CliError::Refused(error.to_string())),
                created => created.context("cannot create the API key")?,
            };
            let value = json!({ "id": key.id, "key": key.secret });
            output.print(&value, || {
                format!("{}\n\nID {}, role {role}. The key is shown only once: store it in a safe place.", key.secret, key.id)
            })?;
        }
        ApiKeyCommand::List => {
            let keys = list_api_keys(&mut conn).await.context("cannot list API keys")?;
            output.print(&keys, || {
                let rows: Vec<Vec<String>> = keys
                    .iter()
                    .map(|key| {
                        let state = key.revoked_at.map_or("active".to_owned(), |at| format!("revoked {}", at.format("%Y-%m-%d %H:%M")));
                        vec![
                            key.id.to_string(),
                            key.name.clone(),
                            key.role.to_string(),
                            key.created_at.format("%Y-%m-%d %H:%M").to_string(),
                            state,
                        ]
                    })
                    .collect();
                table(&["id", "name", "role", "created", "state"], &[], &rows)
            })?;
        }
        ApiKeyCommand::Revoke { key } => {
            let unknown = || CliError::Refused(format!("no active API key `{key}`: list keys with `aprendiz api-key list`"));
            let found = find_active_api_key(&mut conn, key.trim()).await.context("cannot read the API keys")?.ok_or_else(unknown)?;
            if !revoke_api_key(&mut conn, found.id, ACTOR).await.context("cannot revoke the API key")? {
                return Err(unknown());
            }
            let value = json!({ "id": found.id, "name": found.name, "revoked": true });
            output.print(&value, || format!("API key `{}` ({}) revoked", found.name, found.id))?;
        }
    }
    Ok(())
}
