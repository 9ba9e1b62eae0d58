//! `aprendiz web-session`: sessions of browsers.

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::arguments::{IdArg, choose_among};
use crate::cli::error::CliError;
use crate::cli::http::{Client, decode, fetch_items};
use crate::cli::terminal::{Output, id_cell, table, time_cell};

/// Subcommands of `aprendiz web-session`.
#[derive(Debug, Subcommand)]
pub(crate) enum WebSessionCommand {
    /// List the browsers that are signed in with this API key, newest first
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List {
        /// Include the sessions of all API keys (requires the role admin)
        #[arg(long)]
        all: bool,
    },
    /// Sign a browser out, or all browsers of this API key
    Revoke(RevokeArgs),
}

const LIST_EXAMPLES: &str = "\
Examples:
  aprendiz web-session list
  aprendiz web-session list --all -o json";

/// Arguments of `aprendiz web-session revoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz web-session revoke 68ecd237a2dc   sign one browser out (admins: of any API key)
  aprendiz web-session revoke --mine         sign out everywhere; the API key itself stays valid")]
pub(crate) struct RevokeArgs {
    /// Session ID, or beginning or end of one
    #[arg(value_name = "ID", required_unless_present = "mine", conflicts_with = "mine")]
    id: Option<IdArg>,
    /// End all sessions of this API key
    #[arg(long)]
    mine: bool,
}

#[derive(Debug, Deserialize)]
struct Session {
    id: Uuid,
    key_name: String,
    role: String,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    user_agent: Option<String>,
    address: Option<String>,
}

pub(crate) async fn run(client: &Client, command: &WebSessionCommand, output: Output) -> Result<(), CliError> {
    match command {
        WebSessionCommand::List { all } => list(client, *all, output).await,
        WebSessionCommand::Revoke(args) => match &args.id {
            Some(id) => revoke(client, id, output).await,
            None => revoke_mine(client, output).await,
        },
    }
}

async fn fetch(client: &Client, all: bool) -> Result<(Vec<Value>, Vec<Session>), CliError> {
    let items = fetch_items(client, &["v1", "sessions"], &[("all", all.to_string())], None).await?;
    let sessions = items.iter().map(|item| decode(item, "session")).collect::<anyhow::Result<_>>()?;
    Ok((items, sessions))
}

async fn list(client: &Client, all: bool, output: Output) -> Result<(), CliError> {
    let (items, sessions) = fetch(client, all).await?;
    output.print(&items, || {
        let rows: Vec<Vec<String>> = sessions
            .into_iter()
            .map(|session| {
                vec![
                    id_cell(&session.id),
                    session.key_name,
                    session.role,
                    time_cell(session.created_at),
                    time_cell(session.last_used_at),
                    time_cell(session.expires_at),
                    session.address.unwrap_or_default(),
                    session.user_agent.unwrap_or_default(),
                ]
            })
            .collect();
        table(&["session", "key", "role", "created", "last used", "expires", "address", "browser"], &[], &rows)
    })?;
    Ok(())
}

async fn revoke(client: &Client, id: &IdArg, output: Output) -> Result<(), CliError> {
    let key: Value = client.get(&["v1", "keys", "current"]).await?;
    let (_, sessions) = fetch(client, key["role"] == "admin").await?;
    let known: Vec<(Uuid, String)> = sessions.iter().map(|session| (session.id, format!("of {}", session.key_name))).collect();
    let unknown = || CliError::Refused("no such session: list sessions with `aprendiz web-session list`".to_owned());
    let id = choose_among(id, "session", &known)?.ok_or_else(unknown)?;
    client.send(client.request(Method::DELETE, &["v1", "sessions", &id.to_string()])).await?;
    output.print(&json!({ "id": id, "revoked": true }), || format!("session {id} revoked"))?;
    Ok(())
}

async fn revoke_mine(client: &Client, output: Output) -> Result<(), CliError> {
    let ended: Value = client.json(client.request(Method::DELETE, &["v1", "sessions"])).await?;
    let number = ended["ended"].as_u64().ok_or_else(|| anyhow!("the response has no number of sessions"))?;
    output.print(&ended, || format!("ended {}", aprendiz_text::count(number, "session")))?;
    Ok(())
}
