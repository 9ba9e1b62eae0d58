//! `aprendiz api-key`: works on the database itself, for there is no other way to the first key.

use anyhow::Context as _;
use clap::Subcommand;
use environment::Environment;
use runs::{Role, create_api_key, list_api_keys, revoke_api_key};
use serde_json::json;
use uuid::Uuid;

use crate::cli::exit::CliError;
use crate::cli::output::{Output, table};
use crate::database::connect_one;

/// Who did it, in the audit log.
const ACTOR: &str = "command line";

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Create a key and print it; it is shown once
    #[command(
        after_help = "Examples:\n  aprendiz api-key create --name spa --role operator\n  export APRENDIZ_API_KEY=$(aprendiz api-key create --name me --role admin -o json | jq -r .key)"
    )]
    Create {
        /// Whose it is; recorded with everything it does
        #[arg(long)]
        name: String,
        /// What it may do: viewer, reviewer, operator or admin
        #[arg(long)]
        role: Role,
    },
    /// List all keys, newest first, without their secrets
    List,
    /// Make a key stop working at once
    Revoke {
        /// Its id, as `list` shows it
        id: Uuid,
    },
}

pub(crate) async fn run(command: &ApiKeyCommand, output: Output) -> Result<(), CliError> {
    let config = Environment::process().database()?;
    let mut conn = connect_one(&config).await?;
    match command {
        ApiKeyCommand::Create { name, role } => {
            if name.trim().is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
                return Err(CliError::Usage("--name must be 1 to 100 characters without control characters".to_owned()));
            }
            let key = create_api_key(&mut conn, name.trim(), *role, ACTOR).await.context("cannot create the key")?;
            let value = json!({ "id": key.id, "key": key.secret });
            output.print(&value, || {
                format!(
                    "{}\n\nid {}, role {role}. The key is shown once and cannot be shown again: keep it in a safe place.",
                    key.secret, key.id
                )
            })?;
        }
        ApiKeyCommand::List => {
            let keys = list_api_keys(&mut conn).await.context("cannot list the keys")?;
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
        ApiKeyCommand::Revoke { id } => {
            if !revoke_api_key(&mut conn, *id, ACTOR).await.context("cannot revoke the key")? {
                return Err(CliError::Refused(format!("no active key {id}: `aprendiz api-key list` shows them")));
            }
            output.print(&json!({ "id": id, "revoked": true }), || format!("key {id} no longer works"))?;
        }
    }
    Ok(())
}
