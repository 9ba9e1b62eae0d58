//! `aprendiz run list`.

use clap::Args;
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::view::RunView;
use crate::cli::tags::{pairs_parameter, parse_pair};
use crate::cli::terminal::{Output, format_time, table};

/// Arguments of `aprendiz run list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aprendiz run list --status failed\n  aprendiz run list --model contracts --limit 5 -o json\n  aprendiz run list --sort metric:contract_type/accuracy --tag stage=candidate"
)]
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
    /// Filter by tag. Can be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse_pair)]
    tags: Vec<(String, String)>,
    /// Sort by a metric on the test split, runs without it last: metric:FIELD/NAME, or metric:NAME over all fields; metric:…@SPLIT for another
    /// split (default: newest first)
    #[arg(long, value_name = "METRIC")]
    sort: Option<String>,
    /// With --sort: smallest value first
    #[arg(long, requires = "sort")]
    ascending: bool,
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
    query.extend((!args.tags.is_empty()).then(|| ("tag", pairs_parameter(&args.tags))));
    query.extend(args.sort.iter().map(|value| ("sort", value.clone())));
    query.extend(args.ascending.then(|| ("order", "asc".to_owned())));
    let mut page: Value = client.json(client.request(Method::GET, &["v1", "training-runs"]).query(&query)).await?;
    let items = page["items"].take();
    let values: Vec<Option<f64>> = items.as_array().into_iter().flatten().map(|run| run["sort_value"].as_f64()).collect();
    let runs: Vec<RunView> = items.as_array().into_iter().flatten().map(RunView::parse).collect::<Result<_, _>>()?;
    output.print(&items, || {
        let rows: Vec<Vec<String>> = runs
            .iter()
            .zip(&values)
            .map(|(run, value)| {
                let version = run.model_version.map(|number| number.to_string()).unwrap_or_default();
                let status = match &run.error_code {
                    Some(code) => format!("{} ({code})", run.status),
                    None => run.status.clone(),
                };
                let mut row = vec![
                    run.id.to_string(),
                    run.kind_label(),
                    run.model.clone(),
                    version,
                    status,
                    format_time(run.created_at),
                    run.duration().unwrap_or_default(),
                ];
                row.extend(args.sort.as_ref().map(|_| value.map_or("-".to_owned(), |value| format!("{value:.4}"))));
                row
            })
            .collect();
        let mut header = vec!["run", "kind", "model", "version", "status", "created", "duration"];
        let metric = args.sort.as_deref().map(|sort| sort.trim_start_matches("metric:"));
        header.extend(metric);
        let right: Vec<&str> = ["version", "duration"].into_iter().chain(metric).collect();
        table(&header, &right, &rows)
    })?;
    Ok(())
}
