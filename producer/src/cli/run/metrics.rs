//! `aprendiz run metrics`: metrics of a run, per class and as a confusion matrix.

use anyhow::Context as _;
use aprendiz_evaluation::{SLICES_METRIC, WORST_SLICES_METRIC};
use clap::Args;
use serde_json::Value;

use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::class_tables::{class_table, confusion_table};
use crate::cli::run::metric_warnings::metric_warnings;
use crate::cli::run::metrics_table::{Metric, metrics_table, worst_slices};
use crate::cli::terminal::Output;
use crate::cli::terminal::learning_curve_table::learning_curve_table;
use crate::cli::terminal::slice_tables::slice_table;

/// Splits in order of preference: unseen data first.
const SPLITS: [&str; 4] = ["test", "reviewed", "validation", "train"];

/// Name of the metric that holds a learning curve.
const LEARNING_CURVE: &str = "learning_curve";

/// Arguments of `aprendiz run metrics`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz run metrics 01a1fd0a-322b-77a3-a61c-68ecd237a2dc
  aprendiz run metrics 01a1fd0a-322b-77a3-a61c-68ecd237a2dc --per-class --field governing_law
  aprendiz run metrics 01a1fd0a-322b-77a3-a61c-68ecd237a2dc --confusion governing_law
  aprendiz run metrics @latest --slices --field governing_law")]
pub(crate) struct MetricsArgs {
    /// Run ID
    id: IdArg,
    /// Show precision, recall, F1 and support of every class
    #[arg(long)]
    per_class: bool,
    /// Show which classes of this field are confused with which
    #[arg(long, value_name = "FIELD")]
    confusion: Option<String>,
    /// Show the metrics by slice: reviewer, source, project, length of the text, date of the review, and metadata of the spec
    #[arg(long, conflicts_with_all = ["per_class", "confusion"])]
    slices: bool,
    /// Show only this field
    #[arg(long)]
    field: Option<String>,
    /// Show this split: test, validation, train, or reviewed for stored predictions [default: the first of test and reviewed]
    #[arg(long)]
    split: Option<String>,
}

pub(super) async fn run(client: &Client, args: &MetricsArgs, output: Output) -> Result<(), CliError> {
    let id = args.id.resolve(client, IdKind::Run).await?.to_string();
    let Value::Array(mut metrics) = client.get(&["v1", "training-runs", &id, "metrics"]).await?["items"].take() else {
        return Err(CliError::Failed(anyhow::anyhow!("unexpected metrics in the API response")));
    };
    let all: Vec<Metric> = serde_json::from_value(Value::Array(metrics.clone())).context("unexpected metrics in the API response")?;
    let field = args.confusion.as_ref().or(args.field.as_ref());
    let split = match &args.split {
        Some(split) => split.clone(),
        None => SPLITS.into_iter().find(|split| metrics.iter().any(|metric| metric["split"] == *split)).unwrap_or("test").to_owned(),
    };
    // learning curves are measured on the validation split, and belong to the whole run
    let is_shown = |metric: &Value| metric["split"] == split.as_str() || (args.split.is_none() && metric["name"] == LEARNING_CURVE);
    metrics.retain(|metric| is_shown(metric) && field.is_none_or(|field| metric["field"] == field.as_str()));
    if args.per_class || args.confusion.is_some() {
        metrics.retain(|metric| {
            (args.per_class && metric["name"] == "per_class") || (args.confusion.is_some() && metric["name"] == "confusion")
        });
    }
    if args.slices {
        metrics.retain(|metric| metric["name"] == SLICES_METRIC || metric["name"] == WORST_SLICES_METRIC);
    }
    if metrics.is_empty() {
        let of_field = field.map(|field| format!(" of field {field}")).unwrap_or_default();
        return Err(CliError::Refused(format!("run {id} has no such metrics{of_field} on {split}: `aprendiz run metrics {id}` shows all")));
    }
    // as of all fields and splits, so that a selection does not hide that nothing was measured
    let mut text: String = metric_warnings(&all).iter().map(|warning| format!("warning: {warning}\n")).collect();
    if args.per_class || args.confusion.is_some() {
        for metric in &metrics {
            text.push_str(&format!("{} on {split}\n", metric["field"].as_str().unwrap_or("(all fields)")));
            text.push_str(&match metric["name"].as_str() {
                Some("confusion") => confusion_table(&metric["details"]),
                _ => class_table(&metric["details"]),
            });
            text.push('\n');
        }
    } else if args.slices {
        for metric in metrics.iter().filter(|metric| metric["name"] == SLICES_METRIC) {
            text.push_str(&format!("{} on {split}\n", metric["field"].as_str().unwrap_or("(all fields)")));
            text.push_str(&slice_table(&metric["details"])?);
            text.push('\n');
        }
        text.push_str(&worst_slices(&all).unwrap_or_default());
    } else {
        let decoded: Vec<Metric> =
            serde_json::from_value(Value::Array(metrics.clone())).context("unexpected metrics in the API response")?;
        text.push_str(&metrics_table(&decoded).unwrap_or_else(|| "no main metrics on this split; -o json shows all\n".to_owned()));
        let attempt = decoded.iter().map(|metric| metric.attempt_number).max();
        let curves = decoded.iter().filter(|metric| Some(metric.attempt_number) == attempt && metric.name == LEARNING_CURVE);
        let curves: Vec<(Option<&str>, &Value)> = curves.map(|metric| (metric.field.as_deref(), &metric.details)).collect();
        text.push_str(&learning_curve_table(&curves));
    }
    output.print(&metrics, || text)?;
    Ok(())
}
