//! Kind `evaluate`: scores the predictions that the extractor has stored, against what reviewers accepted.

use std::collections::BTreeMap;

use dataset::reviewed_predictions;
use evaluation::{ReportOptions, ScoredExample, report};
use futures::TryStreamExt as _;
use runs::{NewMetric, RunSpec, TrainingRun};
use sqlx::{Connection as _, PgConnection};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
use crate::pipeline::dataset::selection_of;
use crate::pipeline::evaluate::metric_rows;

const SPLIT: &str = "reviewed";
/// Figures per class say nothing about a field of free text.
const MOST_CLASSES: usize = 500;
/// Metrics that make sense without confidences.
const KEPT: [&str; 6] = ["n", "accuracy", "macro_f1", "weighted_f1", "per_class", "confusion"];

/// Metrics of the stored predictions, per field and over all of them.
pub(crate) async fn score(context: &WorkerContext, run: &TrainingRun, spec: &RunSpec) -> Result<Vec<NewMetric>, Stop> {
    patiently!(score_once(context, run, spec))
}

async fn score_once(context: &WorkerContext, run: &TrainingRun, spec: &RunSpec) -> Result<Vec<NewMetric>, Stop> {
    // a connection of its own: dropped in the middle of an answer, it must not go back to the pool
    let mut conn = PgConnection::connect_with(&context.long_statement("aprendiz-worker evaluate")).await?;
    let selection = selection_of(&mut conn, run, spec).await?;
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    let mut reviewed = std::pin::pin!(reviewed_predictions(&mut conn, &selection));
    while let Some(row) = reviewed.try_next().await? {
        let example =
            ScoredExample { gold: row.accepted_label(), predicted: row.predicted_label(), confidence: 1.0, gold_probability: None };
        fields.entry(row.field).or_default().push(example);
    }
    if fields.is_empty() {
        let text = format!(
            "no reviewed value of {} up to position {}: import reviewed annotations or name other fields",
            selection.fields.join(", "),
            selection.position
        );
        return Err(Stop::permanent("no_examples", text));
    }
    let all: Vec<ScoredExample> = fields.values().flatten().cloned().collect();
    let mut metrics = metrics_of(None, &all);
    for (field, examples) in &fields {
        metrics.extend(metrics_of(Some(field), examples));
    }
    Ok(metrics)
}

fn metrics_of(field: Option<&str>, examples: &[ScoredExample]) -> Vec<NewMetric> {
    let report = report(field.unwrap_or_default(), examples, &ReportOptions::default());
    let by_class = field.is_some() && report.classes.len() <= MOST_CLASSES;
    let mut metrics = metric_rows(SPLIT, field, report.rows());
    metrics.retain(|metric| KEPT.contains(&metric.name.as_str()) && (by_class || matches!(metric.name.as_str(), "n" | "accuracy")));
    let found = examples.iter().filter(|example| example.predicted.is_some()).count();
    metrics.push(NewMetric {
        split: SPLIT,
        field: field.map(ToOwned::to_owned),
        name: "prediction_coverage".to_owned(),
        value: Some(found as f64 / examples.len() as f64),
        details: None,
    });
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_the_share_of_predictions_that_say_something() {
        let example = |gold: Option<&str>, predicted: Option<&str>| ScoredExample {
            gold: gold.map(ToOwned::to_owned),
            predicted: predicted.map(ToOwned::to_owned),
            confidence: 1.0,
            gold_probability: None,
        };
        let examples = [example(Some("a"), Some("a")), example(Some("a"), None), example(None, None), example(None, Some("b"))];
        let metrics = metrics_of(Some("f"), &examples);
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.value);
        assert_eq!(value("prediction_coverage"), Some(0.5));
        // "nothing found" is right where there is nothing
        assert_eq!(value("accuracy"), Some(0.5));
        assert_eq!(value("n"), Some(4.0));
    }
}
