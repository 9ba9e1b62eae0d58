//! Evaluates the stored predictions of the extractor against reviewed values (run kind `evaluate`).

use std::collections::BTreeMap;

use aprendiz_dataset::reviewed_predictions;
use aprendiz_evaluation::{ReportOptions, ScoredExample, report};
use aprendiz_run_spec::ValidatedSpec;
use aprendiz_runs::{NewMetric, TrainingRun};
use futures::TryStreamExt as _;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::metrics_from_rows;
use crate::pipeline::selection::resolve_selection;
use crate::retry::retry_on_outage;

const SPLIT: &str = "reviewed";
/// Metrics per class are meaningless for a free-text field.
const MAX_CLASSES: usize = 500;
/// Metrics that need no confidence.
const REPORTED_METRICS: [&str; 7] = ["n", "examples", "accuracy", "macro_f1", "weighted_f1", "per_class", "confusion"];

/// Metrics of the stored predictions, per field and over all fields.
pub(crate) async fn evaluate(deps: &Deps, run: &TrainingRun, spec: &ValidatedSpec) -> Result<Vec<NewMetric>, Interruption> {
    retry_on_outage!(evaluate_once(deps, run, spec))
}

async fn evaluate_once(deps: &Deps, run: &TrainingRun, spec: &ValidatedSpec) -> Result<Vec<NewMetric>, Interruption> {
    // a dedicated connection: if dropped while it receives a result, it must not return to the pool
    let mut conn = deps.dedicated_session("aprendiz-worker evaluate").connect().await?;
    let selection = resolve_selection(&mut conn, run, spec).await?;
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    let mut reviewed = std::pin::pin!(reviewed_predictions(&mut conn, &selection));
    while let Some(row) = reviewed.try_next().await? {
        let example = ScoredExample {
            gold: row.accepted_label(),
            predicted: row.predicted_label(),
            confidence: 1.0,
            gold_probability: None,
            // copies count once in each field
            group: row.group.as_ref().map(|group| format!("{}/{group}", row.field)),
            never_answered: false,
        };
        fields.entry(row.field).or_default().push(example);
    }
    if fields.is_empty() {
        let text = format!(
            "no reviewed values of {} up to position {}: import reviewed annotations or name other fields",
            selection.fields.join(", "),
            selection.position
        );
        return Err(Interruption::permanent("no_examples", text));
    }
    let all: Vec<ScoredExample> = fields.values().flatten().cloned().collect();
    let mut metrics = field_metrics(None, &all);
    for (field, examples) in &fields {
        metrics.extend(field_metrics(Some(field), examples));
    }
    Ok(metrics)
}

/// Metrics of one field, or of all fields together.
fn field_metrics(field: Option<&str>, examples: &[ScoredExample]) -> Vec<NewMetric> {
    let report = report(field.unwrap_or_default(), examples, &ReportOptions::default());
    let by_class = field.is_some() && report.classes.len() <= MAX_CLASSES;
    let mut metrics = metrics_from_rows(SPLIT, field, report.rows());
    metrics.retain(|metric| {
        REPORTED_METRICS.contains(&metric.name.as_str()) && (by_class || matches!(metric.name.as_str(), "n" | "examples" | "accuracy"))
    });
    let predicted = examples.iter().filter(|example| example.predicted.is_some()).count();
    metrics.push(NewMetric {
        split: SPLIT,
        field: field.map(ToOwned::to_owned),
        name: "prediction_coverage".to_owned(),
        value: Some(predicted as f64 / examples.len() as f64),
        details: None,
    });
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_the_fraction_of_documents_with_a_prediction() {
        let example = |gold: Option<&str>, predicted: Option<&str>| ScoredExample {
            gold: gold.map(ToOwned::to_owned),
            predicted: predicted.map(ToOwned::to_owned),
            confidence: 1.0,
            gold_probability: None,
            group: None,
            never_answered: false,
        };
        let examples = [example(Some("a"), Some("a")), example(Some("a"), None), example(None, None), example(None, Some("b"))];
        let metrics = field_metrics(Some("f"), &examples);
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.value);
        assert_eq!(value("prediction_coverage"), Some(0.5));
        // predicting no value is correct if the document has none
        assert_eq!(value("accuracy"), Some(0.5));
        assert_eq!(value("n"), Some(4.0));
    }
}
