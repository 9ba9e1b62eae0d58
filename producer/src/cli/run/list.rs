//! `aprendiz run list`.

use clap::Args;
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::view::RunView;
use crate::cli::terminal::{Output, format_time, table};

/// Arguments of `aprendiz run list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  aprendiz run list --status failed\n  aprendiz run list --model contracts --limit 5 -o json")]
pub(crate) struct ListArgs {
    /// Filter by status: queued, running, retrying, cancelling, succeeded, failed or cancelled
    #[arg(long)]
    status: Option<String>,
    /// Filter by kind
    #[arg(long)]
    kind: Option<String>,
    /// Filter by model name
    #[arg(long)]
    model: Option<String>,
    /// Filter by parent run: list its child runs
    #[arg(long)]
    parent: Option<Uuid>,
    /// Maximum number of runs to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

pub(crate) async fn run(client: &Client, args: &ListArgs, output: Output) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = vec![("limit", args.limit.to_string())];
    query.extend(args.status.iter().map(|value| ("status", value.clone())));
    query.extend(args.kind.iter().map(|value| ("kind", value.clone())));
    query.extend(args.model.iter().map(|value| ("model", value.clone())));
    query.extend(args.parent.iter().map(|value| ("parent", value.to_string())));
    let mut page: Value = client.json(client.request(Method::GET, &["v1", "training-runs"]).query(&query)).await?;
    let items = page["items"].take();
    let runs: Vec<RunView> = items.as_array().into_iter().flatten().map(RunView::parse).collect::<Result<_, _>>()?;
    output.print(&items, || {
        let rows: Vec<Vec<String>> = runs
            .iter()
            .map(|run| {
                let version = run.model_version.map(|number| number.to_string()).unwrap_or_default();
                let status = match &run.error_code {
                    Some(code) => format!("{} ({code})", run.status),
                    None => run.status.clone(),
                };
                vec![
                    run.id.to_string(),
                    run.kind_label(),
                    run.model.clone(),
                    version,
                    status,
                    format_time(run.created_at),
                    run.duration().unwrap_or_default(),
                ]
            })
            .collect();
        table(&["run", "kind", "model", "version", "status", "created", "duration"], &["version", "duration"], &rows)
    })?;
    Ok(())
}
