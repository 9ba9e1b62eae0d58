//! Phase `evaluate`: one module per evaluation method, and what they have in common.

pub(crate) mod card;
pub(crate) mod dispatch;
mod encoder;
pub(crate) mod extractor;
mod field_classifier;
mod fields;
pub(crate) mod json_lines;
mod linear;
pub(crate) mod plots;
mod process;
pub(crate) mod published;
mod selection;
mod slices;
pub(crate) mod trained_model;
pub(crate) mod written_model;

use std::path::Path;

use aprendiz_evaluation::MetricRow;
use aprendiz_runs::{ERRORS_METRIC, ErrorCollector, NewMetric, NewRunError};
use serde_json::{Value, json};

use crate::interruption::Interruption;
use crate::scratch::write_file;

/// The result of evaluating a model.
pub(crate) struct Evaluation {
    pub(crate) metrics: Vec<NewMetric>,
    /// Wrong predictions, if the model predicts values.
    pub(crate) errors: Vec<NewRunError>,
    /// The summary of the model version shown in lists.
    pub(crate) card: Value,
}

/// Writes `metrics.json` and the model card `README.md` into the model directory.
async fn write_reports(model_dir: &Path, metrics: &Value, readme: &str) -> Result<(), Interruption> {
    write_file(&model_dir.join("metrics.json"), &serde_json::to_vec_pretty(metrics).map_err(Interruption::broken_state)?).await?;
    write_file(&model_dir.join("README.md"), readme.as_bytes()).await
}

/// Adds the wrong predictions of a split to those of the run. Returns the metric with their number.
fn add_errors(errors: &mut Vec<NewRunError>, split: &'static str, found: ErrorCollector) -> NewMetric {
    let (kept, total) = found.finish();
    let details = Some(json!({ "recorded": kept.len() }));
    errors.extend(kept);
    NewMetric { split, field: None, name: ERRORS_METRIC.to_owned(), value: Some(total as f64), details }
}

/// Converts the rows of a report to metrics of a run.
fn metrics_from_rows(split: &'static str, field: Option<&str>, rows: Vec<MetricRow>) -> Vec<NewMetric> {
    rows.into_iter()
        .map(|row| NewMetric {
            split,
            field: field.map(ToOwned::to_owned),
            name: row.name.to_owned(),
            value: row.value,
            details: row.details.map(|details| serde_json::to_value(details).unwrap_or(Value::Null)),
        })
        .collect()
}
