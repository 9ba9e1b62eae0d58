//! `aprendiz run retry`: one run, several, or all that a filter finds.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::moment::Moment;
use crate::cli::output::{Output, emit};
use crate::cli::run::act::announce_created;
use crate::cli::run::view::RunView;

/// Runs that one request retries; the API takes no more.
const BATCH: i64 = 1_000;

/// Which runs to run again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run retry ID --watch
  aprendiz run retry ID ID ID
  aprendiz run retry --status failed --since 1h                        all that failed within the last hour
  aprendiz run retry --status failed --code object_store --dry-run     only count
  aprendiz run retry --status cancelled --model contracts --since 2026-11-21 --yes

Each gets a full number of attempts. More than one is asked for on a terminal, unless --yes is given.")]
pub(crate) struct RetryArgs {
    /// Ids of runs
    #[arg(value_name = "ID", required_unless_present = "status")]
    ids: Vec<Uuid>,
    /// All runs of this status: failed or cancelled
    #[arg(long, conflicts_with = "ids", value_parser = ["failed", "cancelled"])]
    status: Option<String>,
    /// Only runs with this failure code
    #[arg(long, value_name = "CODE", requires = "status")]
    code: Option<String>,
    /// Only runs for this model
    #[arg(long, requires = "status")]
    model: Option<String>,
    /// Only runs of this kind
    #[arg(long, requires = "status")]
    kind: Option<String>,
    /// Only runs that ended since: 90s 15m 1h 2d ago, or a time
    #[arg(long, value_name = "TIME", requires = "status")]
    since: Option<Moment>,
    /// Only runs that ended until then: 90s 15m 1h 2d ago, or a time
    #[arg(long, value_name = "TIME", requires = "status")]
    until: Option<Moment>,
    /// Only say how many there are
    #[arg(long, requires = "status")]
    dry_run: bool,
    /// Do not ask
    #[arg(long, requires = "status")]
    yes: bool,
    /// Follow it to its end; for one run only
    #[arg(long, conflicts_with = "status")]
    watch: bool,
}

#[derive(Debug, Deserialize)]
struct Answer {
    matched: i64,
    retried: Vec<Uuid>,
    more: bool,
    as_of: DateTime<Utc>,
}

pub(crate) async fn run(client: &Client, args: &RetryArgs, output: Output) -> Result<(), CliError> {
    match (&args.status, args.ids.as_slice()) {
        (Some(status), _) => by_filter(client, args, status, output).await,
        (None, [id]) => {
            let run = retry_one(client, *id).await?;
            announce_created(client, &run, args.watch, output).await
        }
        (None, _) if args.watch => Err(CliError::Usage("--watch follows one run: name one id".to_owned())),
        (None, ids) => by_ids(client, ids, output).await,
    }
}

async fn retry_one(client: &Client, id: Uuid) -> Result<Value, CliError> {
    client.post(&["v1", "training-runs", &id.to_string(), "retry"]).await
}

/// Goes on after a refusal, so that one run that is in another state does not hold the others up; it still ends as a refusal.
async fn by_ids(client: &Client, ids: &[Uuid], output: Output) -> Result<(), CliError> {
    let mut runs = Vec::new();
    let mut refused = 0;
    for id in ids {
        match retry_one(client, *id).await {
            Ok(run) => runs.push(run),
            Err(CliError::Refused(text)) => {
                eprintln!("{text}");
                refused += 1;
            }
            Err(error) => return Err(error),
        }
    }
    let views: Vec<RunView> = runs.iter().map(RunView::of).collect::<Result<_, _>>()?;
    output.print(&runs, || views.iter().map(|view| format!("run {} is {}", view.id, view.status)).collect::<Vec<_>>().join("\n"))?;
    if refused == 0 { Ok(()) } else { Err(CliError::Refused(format!("{refused} of {} runs could not be retried", ids.len()))) }
}

async fn by_filter(client: &Client, args: &RetryArgs, status: &str, output: Output) -> Result<(), CliError> {
    let now = Utc::now();
    let since = args.since.map(|since| since.seen_from(now));
    let until = args.until.map(|until| until.seen_from(now));
    let look = ask(client, &body(args, status, since, until, true)).await?;
    if args.dry_run {
        let value = json!({ "matched": look.matched, "retried": [], "dry_run": true });
        output.print(&value, || format!("{} would be retried", runs(look.matched)))?;
        return Ok(());
    }
    if look.matched > 1 && !args.yes && std::io::stdin().is_terminal() && !confirmed(look.matched)? {
        return Err(CliError::Refused("nothing was retried".to_owned()));
    }
    // by the clock of the database: a run that fails again meanwhile is not retried again
    let until = Some(until.map_or(look.as_of, |until| until.min(look.as_of)));
    let mut retried: Vec<Uuid> = Vec::new();
    if look.matched > 0 {
        loop {
            let answer = ask(client, &body(args, status, since, until, false)).await?;
            // nothing was retried although more is said to wait: others are at it too, and what they leave is not ours to chase
            let is_over = !answer.more || answer.retried.is_empty();
            retried.extend(answer.retried);
            if is_over {
                break;
            }
            if output == Output::Text {
                eprintln!("{} queued again so far", runs(retried.len() as i64));
            }
        }
    }
    if output == Output::Text {
        for id in &retried {
            emit(&id.to_string())?;
        }
        eprintln!("{} queued again", runs(retried.len() as i64));
        return Ok(());
    }
    output.print(&json!({ "matched": look.matched, "retried": retried }), String::new)?;
    Ok(())
}

async fn ask(client: &Client, body: &Value) -> Result<Answer, CliError> {
    client.json(client.request(Method::POST, &["v1", "training-runs", "retry"]).json(body)).await
}

fn body(args: &RetryArgs, status: &str, since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>, dry_run: bool) -> Value {
    // micro-seconds, as the database has them: a rounded bound would leave out the run at it
    let time = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
    json!({
        "status": status, "error_code": args.code, "model": args.model, "kind": args.kind, "since": time(since), "until": time(until),
        "limit": BATCH, "dry_run": dry_run
    })
}

fn confirmed(matched: i64) -> Result<bool, CliError> {
    eprint!("retry {}? [y/N] ", runs(matched));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn runs(number: i64) -> String {
    if number == 1 { "1 run".to_owned() } else { format!("{number} runs") }
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
    fn runs_are_named_or_filtered_but_not_both() {
        let id = Uuid::nil().to_string();
        assert_eq!(parsed(&[&id, &id]).unwrap().ids.len(), 2);
        assert!(parsed(&[]).is_err());
        assert!(parsed(&[&id, "--status", "failed"]).is_err());
        assert!(parsed(&["--since", "1h"]).is_err(), "a filter begins with a status");
        assert!(parsed(&["--status", "succeeded"]).is_err());
        assert!(parsed(&["--status", "failed", "--watch"]).is_err());
    }

    #[test]
    fn flags_become_a_filter() {
        let args = parsed(&["--status", "failed", "--since", "1h", "--code", "object_store", "--model", "m"]).unwrap();
        let now = DateTime::parse_from_rfc3339("2026-11-21T12:00:00Z").unwrap().to_utc();
        let body = body(&args, "failed", args.since.map(|since| since.seen_from(now)), None, true);
        assert_eq!(
            body,
            json!({
                "status": "failed", "error_code": "object_store", "model": "m", "kind": null, "since": "2026-11-21T11:00:00.000000Z",
                "until": null, "limit": 1000, "dry_run": true
            })
        );
    }
}
