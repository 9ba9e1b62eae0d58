//! `aprendiz audit`: who changed what.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::moment::Moment;
use crate::cli::output::{Output, table};
use crate::cli::pages::pages;
use crate::cli::run::time;

/// What to ask of the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List changes, newest first; needs the role admin
    List(ListArgs),
}

/// Which changes to list.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz audit list --since 1d
  aprendiz audit list --action training_run. --actor spa       every change of a run by the key `spa`
  aprendiz audit list --subject 01a1fd0a-322b-77a3-a61c-68ecd237a2dc -o json")]
pub(crate) struct ListArgs {
    /// Only changes by this key, or by `command line`
    #[arg(long)]
    actor: Option<String>,
    /// Only this action; one that ends with a point means all that begin so
    #[arg(long)]
    action: Option<String>,
    /// Only changes of this thing: an id or a name
    #[arg(long)]
    subject: Option<String>,
    /// Only from this time on: 90s 15m 1h 2d ago, or a time
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

#[derive(Debug, Deserialize)]
struct Entry {
    at: DateTime<Utc>,
    actor: String,
    action: String,
    subject: String,
    details: Value,
}

pub(crate) async fn run(client: &Client, command: &AuditCommand, output: Output) -> Result<(), CliError> {
    let AuditCommand::List(args) = command;
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(args.actor.iter().map(|value| ("actor", value.clone())));
    query.extend(args.action.iter().map(|value| ("action", value.clone())));
    query.extend(args.subject.iter().map(|value| ("subject", value.clone())));
    query.extend(args.since.map(|since| ("since", since.seen_from(Utc::now()).to_rfc3339_opts(chrono::SecondsFormat::Micros, true))));
    let items = pages(client, &["v1", "audit-log"], &query, usize::try_from(args.limit).ok()).await?;
    let entries: Vec<Entry> = items.iter().map(Entry::deserialize).collect::<Result<_, _>>().context("unexpected audit log")?;
    output.print(&items, || {
        let rows: Vec<Vec<String>> = entries
            .into_iter()
            .map(|entry| {
                let details = if entry.details.as_object().is_some_and(serde_json::Map::is_empty) {
                    String::new()
                } else {
                    entry.details.to_string()
                };
                vec![time(entry.at), entry.actor, entry.action, entry.subject, details]
            })
            .collect();
        table(&["at", "actor", "action", "subject", "details"], &[], &rows)
    })?;
    Ok(())
}
