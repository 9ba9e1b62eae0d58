//! `aprendiz run list`.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::Value;

use crate::cli::arguments::time::TimeArgument;
use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::{Client, Listed, fetch_list, fetch_newest};
use crate::cli::run::kinds::kind_values;
use crate::cli::run::view::RunView;
use crate::cli::tags::{pairs_parameter, parse_pair};
use crate::cli::terminal::{Output, id_cell, table, time_cell};

/// Statuses of a run.
const STATUSES: [&str; 7] = ["queued", "running", "retrying", "cancelling", "succeeded", "failed", "cancelled"];

/// Arguments of `aprendiz run list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run list --status failed,cancelled --since 1d
  aprendiz run list --model contracts -n 5 -o json
  aprendiz run list --sort metric:contract_type/accuracy --tag stage=candidate
  aprendiz run retry $(aprendiz run list --status failed --model contracts -q)")]
pub(crate) struct ListArgs {
    /// Filter by status; several are separated by commas
    #[arg(long, value_delimiter = ',', value_parser = STATUSES)]
    status: Vec<String>,
    /// Filter by kind
    #[arg(long, value_parser = kind_values())]
    kind: Option<String>,
    /// Filter by model name
    #[arg(long)]
    model: Option<String>,
    /// Filter by parent run: list its child runs
    #[arg(long, value_name = "ID")]
    parent: Option<IdArg>,
    /// Include the trials of sweeps; with --parent they are always listed
    #[arg(long)]
    trials: bool,
    /// Filter by tag. Can be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse_pair)]
    tags: Vec<(String, String)>,
    /// Sort by a metric on the test split, runs without it last: metric:FIELD/NAME, or metric:NAME over all fields; metric:…@SPLIT for another
    /// split [default: newest first]
    #[arg(long, value_name = "METRIC", conflicts_with = "since")]
    sort: Option<String>,
    /// With --sort: smallest value first
    #[arg(long, requires = "sort")]
    ascending: bool,
    /// Filter by creation: at or after TIME (a duration such as 15m or 2d, or a timestamp)
    #[arg(long, value_name = "TIME")]
    since: Option<TimeArgument>,
    /// Maximum number of runs to list; 0 = all
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

pub(crate) async fn run(client: &Client, args: &ListArgs, output: Output) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(args.kind.iter().map(|value| ("kind", value.clone())));
    query.extend(args.model.iter().map(|value| ("model", value.clone())));
    if let Some(parent) = &args.parent {
        query.push(("parent", parent.resolve(client, IdKind::Run).await?.to_string()));
    }
    query.extend(args.trials.then(|| ("trials", "true".to_owned())));
    query.extend((!args.tags.is_empty()).then(|| ("tag", pairs_parameter(&args.tags))));
    let listed = match &args.sort {
        Some(sort) => fetch_sorted(client, query, sort, args).await?,
        None => fetch(client, &query, &args.status, args.since.map(|since| since.resolve(Utc::now())), args.limit).await?,
    };
    let runs: Vec<RunView> = listed.items.iter().map(RunView::parse).collect::<Result<_, _>>()?;
    let values: Vec<Option<f64>> = listed.items.iter().map(|run| run["sort_value"].as_f64()).collect();
    output.print(&listed.items, || render(&runs, args.sort.as_deref(), &values))?;
    listed.print_hint();
    Ok(())
}

/// Lists runs in the order of a metric, in which the API lists those of one status or of all.
async fn fetch_sorted(client: &Client, mut query: Vec<(&str, String)>, sort: &str, args: &ListArgs) -> Result<Listed, CliError> {
    query.push(("sort", sort.to_owned()));
    query.extend(args.ascending.then(|| ("order", "asc".to_owned())));
    match args.status.as_slice() {
        [] => {}
        [status] => query.push(("status", status.clone())),
        _ => return Err(CliError::Usage("with --sort, --status takes one status".to_owned())),
    }
    fetch_list(client, &["v1", "training-runs"], &query, args.limit).await
}

/// Lists the runs of several statuses: the API filters by one, so the lists are merged, newest first.
async fn fetch(
    client: &Client,
    query: &[(&str, String)],
    statuses: &[String],
    since: Option<DateTime<Utc>>,
    limit: usize,
) -> Result<Listed, CliError> {
    const PATH: [&str; 2] = ["v1", "training-runs"];
    const TIME: &str = "created_at";
    if statuses.is_empty() {
        return fetch_newest(client, &PATH, query, TIME, since, limit).await;
    }
    let mut merged = Listed { items: Vec::new(), more: false };
    for status in statuses {
        let query = [query, &[("status", status.clone())]].concat();
        let Listed { items, more } = fetch_newest(client, &PATH, &query, TIME, since, limit).await?;
        merged.items.extend(items);
        merged.more |= more;
    }
    Ok(newest(merged, limit))
}

/// The newest of merged lists. A run that changed its status between two requests is in both lists, and is kept once.
fn newest(mut merged: Listed, limit: usize) -> Listed {
    let key = |run: &Value| {
        let at = run["created_at"].as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        (at, run["id"].as_str().map(str::to_owned))
    };
    merged.items.sort_by_cached_key(|run| std::cmp::Reverse(key(run)));
    merged.items.dedup_by(|a, b| a["id"] == b["id"]);
    if limit > 0 && merged.items.len() > limit {
        merged.items.truncate(limit);
        merged.more = true;
    }
    merged
}

/// A table of runs; `sort` and `values` are the metric that orders them.
fn render(runs: &[RunView], sort: Option<&str>, values: &[Option<f64>]) -> String {
    let rows: Vec<Vec<String>> = runs
        .iter()
        .zip(values)
        .map(|(run, value)| {
            let version = run.model_version.map(|number| number.to_string()).unwrap_or_default();
            let status = match &run.error_code {
                Some(code) => format!("{} ({code})", run.status),
                None => run.status.clone(),
            };
            let mut row = vec![
                id_cell(&run.id),
                run.kind_label(),
                run.model.clone(),
                version,
                status,
                time_cell(run.created_at),
                run.duration().unwrap_or_default(),
            ];
            row.extend(sort.map(|_| value.map_or("-".to_owned(), |value| format!("{value:.4}"))));
            row
        })
        .collect();
    let metric = sort.map(|sort| sort.trim_start_matches("metric:"));
    let header: Vec<&str> = ["run", "kind", "model", "version", "status", "created", "duration"].into_iter().chain(metric).collect();
    let right: Vec<&str> = ["version", "duration"].into_iter().chain(metric).collect();
    table(&header, &right, &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merged_lists_are_sorted_and_have_each_run_once() {
        let run = |id: &str, second: u32| json!({ "id": id, "created_at": format!("2026-11-30T12:00:{second:02}.5Z") });
        let merged = |limit| {
            let items = vec![run("b", 2), run("a", 1), run("c", 3), run("b", 2)];
            let listed = newest(Listed { items, more: false }, limit);
            (listed.items.iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect::<String>(), listed.more)
        };
        assert_eq!(merged(0), ("cba".to_owned(), false));
        assert_eq!(merged(3), ("cba".to_owned(), false));
        assert_eq!(merged(2), ("cb".to_owned(), true));
    }
}
