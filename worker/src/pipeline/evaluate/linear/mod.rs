//! Evaluates a linear model: thresholds from out-of-fold scores, then a single pass over the test split.

mod aggregate;
mod findings;
mod model_card;
mod test_split;

use std::collections::BTreeMap;
use std::path::Path;

use aprendiz_db::Database;
use aprendiz_evaluation::{FieldReport, ReportOptions, ScoredExample, Threshold, choose_threshold, report};
use aprendiz_inference::{Model, ThresholdDecision, set_thresholds};
use aprendiz_runs::AttemptId;
use aprendiz_training::{OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::linear::aggregate::aggregate_metrics;
use crate::pipeline::evaluate::linear::findings::Findings;
use crate::pipeline::evaluate::linear::test_split::{for_each_line, score_test_split};
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::pipeline::evaluate::{Evaluation, metrics_from_rows, write_reports};
use crate::pipeline::run_log::record_log;
use crate::scratch::Scratch;
use aprendiz_db::run_blocking;

/// Predictions for all test examples: they make the metrics reproducible and test `predict`.
const PREDICTIONS_FILE: &str = "test_predictions.jsonl";

/// Evaluates the trained model and writes reports and model card into its directory.
pub(crate) async fn evaluate(
    database: &Database,
    attempt: AttemptId,
    trained: &TrainedModel<'_>,
    scratch: &Scratch,
) -> Result<Evaluation, Interruption> {
    let TrainedModel { run, spec, dataset, summary, base: _ } = *trained;
    let (model, snapshot, reports, target) = (scratch.model(), scratch.snapshot(), scratch.reports(), spec.target_accuracy());
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    let scoring = run_blocking(move || score(&model, &snapshot, &reports, target, &cancelled));
    let (test, validation, findings) = scoring.await?;
    let examples: u64 = test.iter().map(|field| field.examples).sum();
    let read = format!("test split read once: {examples} examples in {} fields", test.len());
    for text in findings.sentences.iter().map(|finding| format!("warning: {finding}")).chain([read]) {
        record_log(database, attempt, &json!({ "text": text })).await?;
    }

    let mut metrics = aggregate_metrics("test", &test);
    metrics.extend(findings.metrics);
    for report in &test {
        metrics.extend(metrics_from_rows("test", Some(&report.field), report.rows()));
    }
    for report in &validation {
        metrics.extend(metrics_from_rows("validation", Some(&report.field), report.rows()));
    }
    let readme = model_card::readme(run, spec, dataset, summary, &test, &findings.sentences);
    write_reports(&scratch.model(), &json!({ "test": test, "validation": validation }), &readme).await?;
    Ok(Evaluation { metrics, card: model_card::card(run, dataset, summary, &test, &findings.sentences) })
}

/// Sets the thresholds of the model, then scores the test split. Returns the reports of test and validation, and findings about the test.
fn score(
    model_dir: &Path,
    snapshot: &Path,
    reports: &Path,
    target: f64,
    cancelled: &CancellationToken,
) -> Result<(Vec<FieldReport>, Vec<FieldReport>, Findings), Interruption> {
    let mut out_of_fold = read_scores(&reports.join(OUT_OF_FOLD_FILE), cancelled)?;
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
    let validation = read_scores(&reports.join(VALIDATION_FILE), cancelled)?;
    let test = score_test_split(&model, snapshot, &model_dir.join(PREDICTIONS_FILE), cancelled)?;
    let test = field_reports(&model, test);
    let findings = Findings::new(model.config(), &test);
    Ok((test, field_reports(&model, validation), findings))
}

/// Reads scores written by the training process, by field.
fn read_scores(path: &Path, cancelled: &CancellationToken) -> Result<BTreeMap<String, Vec<ScoredExample>>, Interruption> {
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    for_each_line(path, cancelled, |row: ReportRow| {
        fields.entry(row.field.clone()).or_default().push(row.into());
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
