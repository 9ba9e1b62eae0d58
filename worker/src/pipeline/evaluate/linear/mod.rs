//! Evaluates a linear model: thresholds from out-of-fold scores, then a single pass over the test split.

mod aggregate;
mod model_card;
mod test_split;

use std::collections::BTreeMap;
use std::path::Path;

use dataset::Dataset;
use evaluation::{FieldReport, ReportOptions, ScoredExample, Threshold, choose_threshold, report};
use inference::{Model, ThresholdDecision, set_thresholds};
use runs::{AttemptId, EventKind, RunSpec, TrainingRun, record_attempt_event};
use serde_json::json;
use sqlx::PgPool;
use training::{OUT_OF_FOLD_FILE, ReportRow, TrainingSummary, VALIDATION_FILE};

use crate::interruption::Interruption;
use crate::pipeline::evaluate::linear::aggregate::aggregate_metrics;
use crate::pipeline::evaluate::linear::test_split::{for_each_line, score_test_split};
use crate::pipeline::evaluate::{Evaluation, metrics_from_rows, write_reports};
use crate::retry::retry_on_outage;
use crate::scratch::Scratch;

/// Predictions for all test examples: they make the metrics reproducible and test `predict`.
const PREDICTIONS_FILE: &str = "test_predictions.jsonl";

/// Evaluates the trained model and writes reports and model card into its directory.
pub(crate) async fn evaluate(
    pool: &PgPool,
    attempt: AttemptId,
    run: &TrainingRun,
    spec: &RunSpec,
    dataset: &Dataset,
    summary: &TrainingSummary,
    scratch: &Scratch,
) -> Result<Evaluation, Interruption> {
    let (model, snapshot, reports, target) = (scratch.model(), scratch.snapshot(), scratch.reports(), spec.target_accuracy);
    let scoring = tokio::task::spawn_blocking(move || score(&model, &snapshot, &reports, target));
    let (test, validation) = scoring.await.map_err(|error| Interruption::retryable("evaluation_failed", error.to_string()))??;
    let examples: u64 = test.iter().map(|field| field.n).sum();
    let event = json!({ "text": format!("test split read once: {examples} examples in {} fields", test.len()) });
    retry_on_outage!(async { record_attempt_event(&mut *pool.acquire().await?, attempt, EventKind::Log, &event).await })?;

    let mut metrics = aggregate_metrics("test", &test);
    for report in &test {
        metrics.extend(metrics_from_rows("test", Some(&report.field), report.rows()));
    }
    for report in &validation {
        metrics.extend(metrics_from_rows("validation", Some(&report.field), report.rows()));
    }
    let readme = model_card::readme(run, spec, dataset, summary, &test);
    write_reports(&scratch.model(), &json!({ "test": test, "validation": validation }), &readme).await?;
    Ok(Evaluation { metrics, card: model_card::card(run, dataset, summary, &test) })
}

/// Sets the thresholds of the model, then scores the test split. Returns the reports of test and validation.
fn score(model_dir: &Path, snapshot: &Path, reports: &Path, target: f64) -> Result<(Vec<FieldReport>, Vec<FieldReport>), Interruption> {
    let mut out_of_fold = read_scores(&reports.join(OUT_OF_FOLD_FILE))?;
    let unpublished = Model::load_unpublished(model_dir)?;
    let decisions = unpublished.config().fields.iter().map(|field| {
        let examples = out_of_fold.remove(&field.name).unwrap_or_default();
        let decision = match choose_threshold(&examples, target) {
            Threshold::Reached { threshold, .. } => ThresholdDecision::Answer(threshold),
            Threshold::Unreachable { .. } => ThresholdDecision::Unreachable,
        };
        (field.name.clone(), decision)
    });
    set_thresholds(model_dir, &decisions.collect())?;
    let model = Model::load_unpublished(model_dir)?;
    let validation = read_scores(&reports.join(VALIDATION_FILE))?;
    let test = score_test_split(&model, snapshot, &model_dir.join(PREDICTIONS_FILE))?;
    Ok((field_reports(&model, test), field_reports(&model, validation)))
}

/// Reads scores written by the training process, by field.
fn read_scores(path: &Path) -> Result<BTreeMap<String, Vec<ScoredExample>>, Interruption> {
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    for_each_line(path, |row: ReportRow| {
        let example = ScoredExample {
            gold: row.gold,
            predicted: row.predicted,
            confidence: row.confidence,
            gold_probability: Some(row.gold_probability),
        };
        fields.entry(row.field).or_default().push(example);
        Ok(())
    })?;
    Ok(fields)
}

/// One report per field of the model, including fields without examples.
fn field_reports(model: &Model, mut scored: BTreeMap<String, Vec<ScoredExample>>) -> Vec<FieldReport> {
    let fields = model.config().fields.iter();
    fields
        .map(|field| {
            let examples = scored.remove(&field.name).unwrap_or_default();
            report(&field.name, &examples, &ReportOptions { majority: field.majority().cloned(), threshold: field.threshold })
        })
        .collect()
}
