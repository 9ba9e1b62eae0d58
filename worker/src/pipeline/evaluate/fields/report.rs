//! The results of an evaluation: metrics, wrong predictions, and the model card with its files.

use aprendiz_runs::AttemptId;
use aprendiz_text::count;
use serde_json::json;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::card::champion::{PREDICTIONS_FILE, compare_with_champion};
use crate::pipeline::evaluate::card::learning::learning_curves;
use crate::pipeline::evaluate::card::readme::sections;
use crate::pipeline::evaluate::card::write_card;
use crate::pipeline::evaluate::fields::aggregate::aggregate_metrics;
use crate::pipeline::evaluate::fields::calibration::Calibrated;
use crate::pipeline::evaluate::fields::learning_curves::LearningCurves;
use crate::pipeline::evaluate::fields::model_card::{self, MethodText};
use crate::pipeline::evaluate::fields::plots::Evidence;
use crate::pipeline::evaluate::fields::test_split::TestScores;
use crate::pipeline::evaluate::slices::slice_metrics;
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::pipeline::evaluate::{Evaluation, add_errors, metrics_from_rows, write_reports};
use crate::pipeline::run_log::record_log;
use crate::scratch::Scratch;

/// Records what a reader must know, and writes reports and model card into the model directory.
pub(in crate::pipeline::evaluate) async fn write_results(
    deps: &Deps,
    attempt: AttemptId,
    trained: &TrainedModel<'_>,
    method: &MethodText,
    scratch: &Scratch,
    calibrated: Calibrated,
    scores: TestScores,
) -> Result<Evaluation, Interruption> {
    let TrainedModel { run, dataset, summary, losses, .. } = *trained;
    let Calibrated { fields: _, tables, validation, errors: validation_errors } = calibrated;
    let TestScores { reports: test, slices, reliability, findings, errors: test_errors } = scores;
    let examples: u64 = test.iter().map(|field| field.examples).sum();
    let read = format!("test split read once: {} in {}", count(examples, "example"), count(test.len() as u64, "field"));
    for text in findings.sentences.iter().map(|finding| format!("warning: {finding}")).chain(tables.unreachable()).chain([read]) {
        record_log(&deps.database, attempt, &json!({ "text": text })).await?;
    }

    let mut metrics = aggregate_metrics("test", &test);
    metrics.extend(findings.metrics);
    metrics.extend(tables.metrics()?);
    for report in &test {
        metrics.extend(metrics_from_rows("test", Some(&report.field), report.rows()));
    }
    for report in &validation {
        metrics.extend(metrics_from_rows("validation", Some(&report.field), report.rows()));
    }
    let (sliced, worst_slices) = slice_metrics("test", &slices)?;
    metrics.extend(sliced);
    let mut errors = Vec::new();
    metrics.push(add_errors(&mut errors, "test", test_errors));
    metrics.push(add_errors(&mut errors, "validation", validation_errors));
    let mut report = json!({ "test": test, "validation": validation, "thresholds": tables, "worst_slices": worst_slices });
    report["slices"] = slices.iter().map(|slices| (slices.field.clone(), json!(slices.dimensions))).collect();
    let curves = LearningCurves::new(summary);
    if let Some(curves) = &curves {
        metrics.extend(curves.metrics()?);
        report["learning_curve"] = json!(curves);
    }
    let own_predictions = scratch.model().join(PREDICTIONS_FILE);
    let champion = compare_with_champion(deps, &run.model, dataset.position, &own_predictions, &scratch.reports()).await?;
    let evidence =
        Evidence { test: &test, reliability: &reliability, tables: &tables, losses, learning_curves: learning_curves(&metrics), champion };
    let plots = evidence.plots();
    let card = model_card::document(trained, attempt.number, method, evidence, worst_slices, &findings.sentences, &plots)?;
    let mut readme = model_card::readme(trained, method, &test, &findings.sentences, &tables);
    readme.push_str(&curves.map(|curves| curves.section()).unwrap_or_default());
    readme.push_str(&sections(&card));
    write_reports(&scratch.model(), &report, &readme).await?;
    write_card(&scratch.model(), &card, &plots).await?;
    Ok(Evaluation { metrics, errors, card: model_card::card(trained, &test, &findings.sentences, &tables) })
}
