//! `aprendiz run retry`: by ID or by filter.

use aprendiz_text::count;
use std::io::IsTerminal as _;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::arguments::time::TimeArgument;
use crate::cli::arguments::{IdArg, IdKind, WaitArgs};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::created::print_created_run;
use crate::cli::run::kinds::kind_values;
use crate::cli::run::view::RunView;
use crate::cli::run::watch::wait_until_ended;
use crate::cli::terminal::{Output, confirm, print_message, print_note, print_text};

/// Runs retried by one request: the maximum of the API.
const BATCH_SIZE: i64 = 1_000;

/// Arguments of `aprendiz run retry`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run retry ID --wait
  aprendiz run retry @latest
  aprendiz run retry ID ID ID
  aprendiz run retry --status failed --since 1h                        all runs that failed within the last hour
  aprendiz run retry --status failed --code object_store --dry-run     count matching runs
  aprendiz run retry --status cancelled --model contracts --since 2026-11-21 --yes

Every retried run gets its full number of attempts. On a terminal, retrying more than one run by filter requires confirmation or --yes.")]
pub(crate) struct RetryArgs {
    /// Run IDs
    #[arg(value_name = "ID", required_unless_present = "status")]
    ids: Vec<IdArg>,
    /// Retry all runs with this status: failed or cancelled
    #[arg(long, conflicts_with = "ids", value_parser = ["failed", "cancelled"])]
    status: Option<String>,
    /// Filter by error code
    #[arg(long, value_name = "CODE", requires = "status")]
    code: Option<String>,
    /// Filter by model name
    #[arg(long, requires = "status")]
    model: Option<String>,
    /// Filter by kind
    #[arg(long, requires = "status", value_parser = kind_values())]
    kind: Option<String>,
    /// Filter by end time: at or after TIME (a duration such as 15m or 2d, or a timestamp)
    #[arg(long, value_name = "TIME", requires = "status")]
    since: Option<TimeArgument>,
    /// Filter by end time: at or before TIME (a duration such as 15m or 2d, or a timestamp)
    #[arg(long, value_name = "TIME", requires = "status")]
    until: Option<TimeArgument>,
    /// Count matching runs without retrying them
    #[arg(long, requires = "status")]
    dry_run: bool,
    /// Skip the confirmation prompt
    #[arg(long, requires = "status")]
    yes: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Deserialize)]
struct RetryResponse {
    matched: i64,
    retried: Vec<Uuid>,
    more: bool,
    as_of: DateTime<Utc>,
}

pub(crate) async fn run(client: &Client, args: &RetryArgs, output: Output) -> Result<(), CliError> {
    match (&args.status, args.ids.as_slice()) {
        (Some(status), _) => retry_by_filter(client, args, status, output).await,
        (None, [id]) => {
            let run = retry_one(client, id.resolve(client, IdKind::Run).await?).await?;
            print_created_run(client, &run, args.wait, output).await
        }
        (None, ids) => retry_by_ids(client, ids, args.wait, output).await,
    }
}

async fn retry_one(client: &Client, id: Uuid) -> Result<Value, CliError> {
    client.post(&["v1", "training-runs", &id.to_string(), "retry"]).await
}

/// Continues after a rejected run, so that one run in another state does not block the others. The command still fails.
async fn retry_by_ids(client: &Client, ids: &[IdArg], wait: WaitArgs, output: Output) -> Result<(), CliError> {
    let mut runs = Vec::new();
    let mut rejected = 0;
    let mut resolved = Vec::with_capacity(ids.len());
    for id in ids {
        resolved.push(id.resolve(client, IdKind::Run).await?);
    }
    for id in resolved {
        match retry_one(client, id).await {
            Ok(run) => runs.push(run),
            Err(CliError::Refused(text)) => {
                print_message(&text);
                rejected += 1;
            }
            Err(error) => return Err(error),
        }
    }
    let views: Vec<RunView> = runs.iter().map(RunView::parse).collect::<Result<_, _>>()?;
    output.print(&runs, || views.iter().map(|view| format!("run {} is {}", view.id, view.status)).collect::<Vec<_>>().join("\n"))?;
    if wait.wait {
        wait_for_all(client, &views.iter().map(|view| view.id).collect::<Vec<_>>(), output).await?;
    }
    if rejected == 0 { Ok(()) } else { Err(CliError::Refused(format!("{rejected} of {} runs were not retried", ids.len()))) }
}

async fn retry_by_filter(client: &Client, args: &RetryArgs, status: &str, output: Output) -> Result<(), CliError> {
    let now = Utc::now();
    let since = args.since.map(|since| since.resolve(now));
    let until = args.until.map(|until| until.resolve(now));
    let preview = request_retry(client, &body(args, status, since, until, true)).await?;
    if args.dry_run {
        let value = json!({ "matched": preview.matched, "retried": [], "dry_run": true });
        output.print(&value, || format!("{} would be retried", count_runs(preview.matched)))?;
        return Ok(());
    }
    if preview.matched > 1 && !args.yes && std::io::stdin().is_terminal() && !confirm(&format!("Retry {}?", count_runs(preview.matched)))? {
        return Err(CliError::Refused("no runs were retried".to_owned()));
    }
    // database time, so that a run that fails again meanwhile is not retried twice
    let until = Some(until.map_or(preview.as_of, |until| until.min(preview.as_of)));
    let mut retried: Vec<Uuid> = Vec::new();
    if preview.matched > 0 {
        loop {
            let response = request_retry(client, &body(args, status, since, until, false)).await?;
            // an empty batch with more matches means that another client is retrying the same runs: leave them to it
            let is_done = !response.more || response.retried.is_empty();
            retried.extend(response.retried);
            if is_done {
                break;
            }
            print_note(&format!("{} requeued so far", count_runs(retried.len() as i64)));
        }
    }
    if output.is_text() {
        for id in &retried {
            print_text(&id.to_string())?;
        }
    } else {
        output.print(&json!({ "matched": preview.matched, "retried": retried }), String::new)?;
    }
    print_note(&format!("{} requeued", count_runs(retried.len() as i64)));
    if args.wait.wait { wait_for_all(client, &retried, output).await } else { Ok(()) }
}

/// Waits for runs, one after the other. A run that does not succeed is an error.
async fn wait_for_all(client: &Client, ids: &[Uuid], output: Output) -> Result<(), CliError> {
    let mut failed = 0;
    for id in ids {
        let view = RunView::parse(&wait_until_ended(client, *id, output).await?)?;
        print_note(&format!("run {id} {}", view.outcome()));
        failed += usize::from(view.status != "succeeded");
    }
    if failed == 0 {
        return Ok(());
    }
    print_message(&format!("{failed} of {} did not succeed", count_runs(ids.len() as i64)));
    Err(CliError::RunEnded)
}

async fn request_retry(client: &Client, body: &Value) -> Result<RetryResponse, CliError> {
    client.json(client.request(Method::POST, &["v1", "training-runs", "retry"]).json(body)).await
}

fn body(args: &RetryArgs, status: &str, since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>, dry_run: bool) -> Value {
    // microseconds, the precision of the database: a rounded bound would miss the run at the bound
    let time = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
    json!({
        "status": status, "error_code": args.code, "model": args.model, "kind": args.kind, "since": time(since), "until": time(until),
        "limit": BATCH_SIZE, "dry_run": dry_run
    })
}

fn count_runs(number: i64) -> String {
    count(number.unsigned_abs(), "run")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: RetryArgs,
    }

    fn parsed(line: &[&str]) -> Result<RetryArgs, clap::Error> {
        Line::try_parse_from([&["retry"], line].concat()).map(|line| line.args)
    }

    #[test]
    fn ids_and_filters_are_mutually_exclusive() {
        let id = Uuid::nil().to_string();
        assert_eq!(parsed(&[&id, &id]).unwrap().ids.len(), 2);
        assert!(parsed(&[]).is_err());
        assert!(parsed(&[&id, "--status", "failed"]).is_err());
        assert!(parsed(&["--since", "1h"]).is_err(), "a filter requires a status");
        assert!(parsed(&["--status", "succeeded"]).is_err());
        assert!(parsed(&["--status", "failed", "--watch"]).unwrap().wait.wait);
    }

    #[test]
    fn flags_become_a_filter() {
        let args = parsed(&["--status", "failed", "--since", "1h", "--code", "object_store", "--model", "m"]).unwrap();
        let now = DateTime::parse_from_rfc3339("2026-11-21T12:00:00Z").unwrap().to_utc();
        let body = body(&args, "failed", args.since.map(|since| since.resolve(now)), None, true);
        assert_eq!(
            body,
            json!({
                "status": "failed", "error_code": "object_store", "model": "m", "kind": null, "since": "2026-11-21T11:00:00.000000Z",
                "until": null, "limit": 1000, "dry_run": true
            })
        );
    }
}
