//! Accepts predictions, batch after batch.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::Output;

/// What to accept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz annotations accept --field governing_law --min-confidence 0.98 --dry-run
  aprendiz annotations accept --field governing_law --min-confidence 0.98 --extractor rules-7 --yes

Each becomes a review with the name of the reviewer. Batches of 1,000 documents are a transaction each.")]
pub(crate) struct AcceptArgs {
    /// Name of the field
    #[arg(long)]
    field: String,
    /// Least confidence of a prediction, 0 to 1
    #[arg(long, value_name = "SHARE")]
    min_confidence: f64,
    /// Only documents of this source
    #[arg(long)]
    source: Option<String>,
    /// Only documents of this project
    #[arg(long)]
    project: Option<String>,
    /// Only predictions of this version of the extractor
    #[arg(long, value_name = "VERSION")]
    extractor: Option<String>,
    /// Who decides it; by default the name of the API key
    #[arg(long)]
    reviewer: Option<String>,
    /// Why; by default what was asked for
    #[arg(long)]
    note: Option<String>,
    /// Change nothing and tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Of all batches.
#[derive(Debug, Default)]
struct Total {
    accepted: u64,
    unfit: u64,
    unfit_reason: Option<String>,
}

#[derive(Deserialize)]
struct Batch {
    accepted: u64,
    unfit: u64,
    unfit_reason: Option<String>,
    next: Option<String>,
}

pub(super) async fn run(client: &Client, args: &AcceptArgs, output: Output) -> Result<(), CliError> {
    let total = if args.dry_run || args.yes {
        all(client, args, args.dry_run).await?
    } else {
        let would = all(client, args, true).await?;
        if would.accepted > 0 {
            confirm(would.accepted)?;
        }
        all(client, args, false).await?
    };
    let shown = json!({ "accepted": total.accepted, "unfit": total.unfit, "unfit_reason": total.unfit_reason, "dry_run": args.dry_run });
    output.print(&shown, || text(&total, args.dry_run))?;
    Ok(())
}

async fn all(client: &Client, args: &AcceptArgs, dry_run: bool) -> Result<Total, CliError> {
    let mut body = json!({ "field": args.field, "min_confidence": args.min_confidence, "dry_run": dry_run });
    for (key, value) in [
        ("source", &args.source),
        ("project", &args.project),
        ("extractor_version", &args.extractor),
        ("reviewer", &args.reviewer),
        ("note", &args.note),
    ] {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    let mut total = Total::default();
    loop {
        let answer: Value = client.json(client.request(Method::POST, &["v1", "annotations", "accept"]).json(&body)).await?;
        let batch = Batch::deserialize(&answer).context("the API answered something that is not from this version of Aprendiz")?;
        total.accepted += batch.accepted;
        total.unfit += batch.unfit;
        total.unfit_reason = total.unfit_reason.or(batch.unfit_reason);
        match batch.next {
            Some(next) => body["after"] = json!(next),
            None => return Ok(total),
        }
    }
}

fn confirm(count: u64) -> Result<(), CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage(format!("this accepts {count} predictions: repeat with --yes")));
    }
    eprint!("accept {count} predictions? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(CliError::Refused("nothing was accepted".to_owned())) }
}

fn text(total: &Total, dry_run: bool) -> String {
    let done = if dry_run { "would be accepted" } else { "accepted" };
    let mut text = format!("{} predictions {done}", total.accepted);
    if let (1.., Some(reason)) = (total.unfit, &total.unfit_reason) {
        text.push_str(&format!("; {} left alone, such as one whose {reason}", total.unfit));
    }
    text
}
