//! `aprendiz annotations accept`: accepts predictions in batches.

use aprendiz_text::count;
use std::io::{self, IsTerminal as _};

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::terminal::{Output, confirm};

/// Arguments of `aprendiz annotations accept`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz annotations accept --field governing_law --min-confidence 0.98 --dry-run
  aprendiz annotations accept --field governing_law --min-confidence 0.98 --extractor rules-7 --yes

Each accepted prediction becomes a review by the reviewer. Predictions are accepted in batches of 1,000 documents, one transaction each.")]
pub(crate) struct AcceptArgs {
    /// Field name
    #[arg(long)]
    field: String,
    /// Minimum confidence of a prediction, from 0 to 1
    #[arg(long, value_name = "CONFIDENCE")]
    min_confidence: f64,
    /// Filter by document source
    #[arg(long)]
    source: Option<String>,
    /// Filter by project
    #[arg(long)]
    project: Option<String>,
    /// Filter by extractor version
    #[arg(long, value_name = "VERSION")]
    extractor: Option<String>,
    /// Reviewer to record [default: name of the API key]
    #[arg(long)]
    reviewer: Option<String>,
    /// Note to record [default: the filter used]
    #[arg(long)]
    note: Option<String>,
    /// Count matching predictions without accepting them
    #[arg(long)]
    dry_run: bool,
    /// Skip the confirmation prompt
    #[arg(long)]
    yes: bool,
}

/// Sum over all batches.
#[derive(Debug, Default)]
struct Totals {
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
        accept_all(client, args, args.dry_run).await?
    } else {
        let preview = accept_all(client, args, true).await?;
        if preview.accepted > 0 {
            confirm_acceptance(preview.accepted)?;
        }
        accept_all(client, args, false).await?
    };
    let summary = json!({ "accepted": total.accepted, "unfit": total.unfit, "unfit_reason": total.unfit_reason, "dry_run": args.dry_run });
    output.print(&summary, || render(&total, args.dry_run))?;
    Ok(())
}

async fn accept_all(client: &Client, args: &AcceptArgs, dry_run: bool) -> Result<Totals, CliError> {
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
    let mut total = Totals::default();
    loop {
        let response: Value = client.json(client.request(Method::POST, &["v1", "annotations", "accept"]).json(&body)).await?;
        let batch: Batch = decode(&response, "batch")?;
        total.accepted += batch.accepted;
        total.unfit += batch.unfit;
        total.unfit_reason = total.unfit_reason.or(batch.unfit_reason);
        match batch.next {
            Some(next) => body["after"] = json!(next),
            None => return Ok(total),
        }
    }
}

fn confirm_acceptance(predictions: u64) -> Result<(), CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage(format!("this accepts {}: confirm with --yes", count(predictions, "prediction"))));
    }
    if confirm(&format!("Accept {}?", count(predictions, "prediction")))? {
        Ok(())
    } else {
        Err(CliError::Refused("no predictions were accepted".to_owned()))
    }
}

fn render(total: &Totals, dry_run: bool) -> String {
    let verb = if dry_run { "would be accepted" } else { "accepted" };
    let mut text = format!("{} {verb}", count(total.accepted, "prediction"));
    if let (1.., Some(reason)) = (total.unfit, &total.unfit_reason) {
        text.push_str(&format!("; {} skipped, for example because {reason}", total.unfit));
    }
    text
}
