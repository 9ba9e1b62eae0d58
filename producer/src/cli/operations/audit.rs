//! `aprendiz audit`: the audit log.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::arguments::time::TimeArgument;
use crate::cli::error::CliError;
use crate::cli::http::{Client, decode, fetch_list};
use crate::cli::terminal::{Output, table, time_cell};

/// Subcommands of `aprendiz audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List audit log entries, newest first (requires the role admin)
    #[command(visible_alias = "ls")]
    List(ListArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz audit list --since 1d
  aprendiz audit list --action training_run. --actor spa       changes of runs by the key `spa`
  aprendiz audit list --subject 01a1fd0a-322b-77a3-a61c-68ecd237a2dc -o json")]
pub(crate) struct ListArgs {
    /// Filter by actor: the name of an API key, or `command line`
    #[arg(long)]
    actor: Option<String>,
    /// Filter by action; a trailing period matches all actions with this prefix
    #[arg(long)]
    action: Option<String>,
    /// Filter by subject: an ID or a name
    #[arg(long)]
    subject: Option<String>,
    /// Filter by time: at or after TIME (a duration such as 15m or 2d, or a timestamp)
    #[arg(long, value_name = "TIME")]
    since: Option<TimeArgument>,
    /// Maximum number of entries to list; 0 = all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    limit: usize,
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
    query.extend(args.since.map(|since| ("since", since.resolve(Utc::now()).to_rfc3339_opts(chrono::SecondsFormat::Micros, true))));
    let listed = fetch_list(client, &["v1", "audit-log"], &query, args.limit).await?;
    let entries: Vec<Entry> = listed.items.iter().map(|item| decode(item, "audit log entry")).collect::<Result<_, _>>()?;
    output.print(&listed.items, || {
        let rows: Vec<Vec<String>> = entries
            .into_iter()
            .map(|entry| {
                let details = if entry.details.as_object().is_some_and(serde_json::Map::is_empty) {
                    String::new()
                } else {
                    entry.details.to_string()
                };
                vec![time_cell(entry.at), entry.actor, entry.action, entry.subject, details]
            })
            .collect();
        table(&["at", "actor", "action", "subject", "details"], &[], &rows)
    })?;
    listed.print_hint();
    Ok(())
}
