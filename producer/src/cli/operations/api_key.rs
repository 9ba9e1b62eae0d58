//! `aprendiz api-key`: manages API keys directly in the database, because the first key cannot be created through the API.

use anyhow::Context as _;
use aprendiz_config::Environment;
use aprendiz_db::Scope;
use aprendiz_runs::{
    ApiKey, ApiKeyGrant, COMMAND_LINE, Role, RunsError, check_key_name, create_api_key, find_active_api_key, list_api_keys,
    restore_identity, revoke_api_key,
};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use uuid::Uuid;

use crate::cli::arguments::time::DelayArgument;
use crate::cli::arguments::{IdArg, choose_among};
use crate::cli::error::CliError;
use crate::cli::terminal::{Output, id_cell, print_text, table, time_cell};
use crate::database::connect_one;

/// Subcommands of `aprendiz api-key`.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Create an API key and print it once
    #[command(
        after_help = "Examples:\n  aprendiz api-key create --name spa --role operator\n  aprendiz api-key create --name legal --role reviewer --project contracts --project leases\n  aprendiz api-key create --name ci --role operator --expires 90d\n  export APRENDIZ_API_KEY=$(aprendiz api-key create --name me --role admin -o json | jq -r .key)"
    )]
    Create {
        /// Name of the key, recorded as the actor in the audit log; no two active keys have the same name
        #[arg(long)]
        name: String,
        /// Role; each one includes the roles before it
        #[arg(long, value_parser = role_parser())]
        role: Role,
        /// Limit the key to this project; repeat it for several. Default: all projects
        #[arg(long = "project", value_name = "NAME")]
        projects: Vec<String>,
        /// End of the key: a delay such as 12h or 90d, or a time such as 2027-01-31. Default: it does not end
        #[arg(long, value_name = "WHEN")]
        expires: Option<DelayArgument>,
    },
    /// List API keys without their secrets, and the identities that signed in with the provider, newest first
    #[command(visible_alias = "ls", after_help = "Example:\n  aprendiz api-key list")]
    List,
    /// Revoke an API key, or lock an identity out, immediately
    #[command(
        visible_alias = "rm",
        after_help = "Examples:\n  aprendiz api-key revoke spa\n  aprendiz api-key revoke 68ecd237a2dc\n  aprendiz api-key revoke oidc:ada@example.org"
    )]
    Revoke {
        /// Key ID, part of one, or name, as shown by `api-key list`
        #[arg(value_name = "ID|NAME")]
        key: String,
    },
    /// Let a revoked identity of the provider in again; an API key stays revoked
    #[command(after_help = "Example:\n  aprendiz api-key restore oidc:ada@example.org")]
    Restore {
        /// ID or name of the identity, as shown by `api-key list`
        #[arg(value_name = "ID|NAME")]
        key: String,
    },
}

/// The roles, with the lowest first.
fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(["viewer", "reviewer", "operator", "admin"]).try_map(|role| role.parse::<Role>())
}

/// The scope of a new key; without projects, everything.
fn project_scope(projects: &[String]) -> Result<Scope, CliError> {
    let is_valid = |project: &String| (1..=200).contains(&project.chars().count()) && !project.contains('\0');
    if let Some(invalid) = projects.iter().find(|project| !is_valid(project)) {
        return Err(CliError::Usage(format!("invalid --project `{invalid}`: expected 1 to 200 characters")));
    }
    if projects.is_empty() {
        return Ok(Scope::All);
    }
    let mut projects = projects.to_vec();
    projects.sort_unstable();
    projects.dedup();
    Ok(Scope::Projects(projects))
}

/// The projects of a key in a table.
fn projects_cell(key: &ApiKey) -> String {
    match &key.projects {
        None => "all".to_owned(),
        Some(projects) if projects.is_empty() => "none".to_owned(),
        Some(projects) => projects.join(", "),
    }
}

/// Whether a key can be used, in a table.
fn state_cell(key: &ApiKey, now: DateTime<Utc>) -> String {
    match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", time_cell(at)),
        (None, Some(at)) if at <= now => format!("expired {}", time_cell(at)),
        (None, Some(at)) => format!("until {}", time_cell(at)),
        (None, None) => "active".to_owned(),
    }
}

pub(crate) async fn run(command: &ApiKeyCommand, output: Output) -> Result<(), CliError> {
    let config = Environment::process().database()?;
    let mut conn = connect_one(&config).await?;
    match command {
        ApiKeyCommand::Create { name, role, projects, expires } => {
            let name = check_key_name(name).map_err(|reason| CliError::Usage(format!("invalid --name `{}`: {reason}", name.trim())))?;
            let scope = project_scope(projects)?;
            let now = Utc::now();
            let expires_at = expires.map(|expires| expires.resolve(now));
            if expires_at.is_some_and(|at| at <= now) {
                return Err(CliError::Usage("invalid --expires: it is in the past".to_owned()));
            }
            let grant = ApiKeyGrant { name, role: *role, scope: &scope, expires_at };
            let key = match create_api_key(&mut conn, grant, COMMAND_LINE).await {
                Err(error @ RunsError::KeyNameTaken(_)) => return Err(CliError::Refused(error.to_string())),
                created => created.context("cannot create the API key")?,
            };
            let value = json!({ "id": key.id, "key": key.secret });
            // what a script or `aprendiz login` reads is the key
            if output == Output::Name {
                return Ok(print_text(&key.secret)?);
            }
            output.print_created(&value, &key.secret, || {
                format!("ID {}, role {role}. The key is shown only once: store it in a safe place.", key.id)
            })?;
        }
        ApiKeyCommand::List => {
            let keys = list_api_keys(&mut conn).await.context("cannot list API keys")?;
            let now = Utc::now();
            output.print(&keys, || {
                let rows: Vec<Vec<String>> = keys
                    .iter()
                    .map(|key| {
                        let state = state_cell(key, now);
                        vec![id_cell(&key.id), key.name.clone(), key.role.to_string(), projects_cell(key), time_cell(key.created_at), state]
                    })
                    .collect();
                table(&["id", "name", "role", "projects", "created", "state"], &[], &rows)
            })?;
        }
        ApiKeyCommand::Revoke { key } => {
            let unknown = || CliError::Refused(format!("no active API key `{key}`: list keys with `aprendiz api-key list`"));
            let named = find_active_api_key(&mut conn, key.trim()).await.context("cannot read the API keys")?;
            let found = match named {
                Some(found) => found,
                // not a name: the part of an ID
                None => {
                    let keys = list_api_keys(&mut conn).await.context("cannot list API keys")?;
                    let known: Vec<(Uuid, String)> = keys.iter().map(|key| (key.id, format!("{} ({})", key.name, key.role))).collect();
                    let id = key.parse::<IdArg>().map_err(|_| unknown())?;
                    let id = choose_among(&id, "API key", &known)?.ok_or_else(unknown)?;
                    keys.into_iter().find(|key| key.id == id).ok_or_else(unknown)?
                }
            };
            if !revoke_api_key(&mut conn, found.id, COMMAND_LINE).await.context("cannot revoke the API key")? {
                return Err(unknown());
            }
            let value = json!({ "id": found.id, "name": found.name, "revoked": true });
            output.print(&value, || format!("API key `{}` ({}) revoked", found.name, found.id))?;
        }
        ApiKeyCommand::Restore { key } => {
            let keys = list_api_keys(&mut conn).await.context("cannot list API keys")?;
            let asked = key.trim();
            let revoked = keys.into_iter().filter(|key| key.issuer.is_some() && key.revoked_at.is_some());
            let found = revoked.into_iter().find(|key| key.name == asked || key.id.to_string() == asked);
            let unknown = || CliError::Refused(format!("no revoked identity `{asked}`: list them with `aprendiz api-key list`"));
            let found = found.ok_or_else(unknown)?;
            if !restore_identity(&mut conn, found.id, COMMAND_LINE).await.context("cannot restore the identity")? {
                return Err(unknown());
            }
            let value = json!({ "id": found.id, "name": found.name, "restored": true });
            output.print(&value, || format!("identity `{}` ({}) can sign in again", found.name, found.id))?;
        }
    }
    Ok(())
}
