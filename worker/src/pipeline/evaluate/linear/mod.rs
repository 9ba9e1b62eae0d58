//! Evaluates a linear model: thresholds from scores of unseen examples, then a single pass over the test split.

mod aggregate;
mod errors;
mod field_reports;
mod findings;
mod learning_curves;
mod model_card;
mod plots;
pub(crate) mod published;
mod target_tables;
mod test_split;
mod trial;

use aprendiz_text::count;
use std::collections::BTreeMap;
use std::path::Path;

use aprendiz_db::run_blocking;
use aprendiz_evaluation::{FieldReport, FieldSlices, ReliabilityBin, ScoreCurve, ScoredExample, TargetRow, reliability_bins};
use aprendiz_inference::{Model, ScoreCurves, ThresholdDecision, set_thresholds};
use aprendiz_runs::{AttemptId, ErrorCollector, NewMetric};
use aprendiz_training::{OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::card::champion::{PREDICTIONS_FILE, compare_with_champion};
use crate::pipeline::evaluate::card::learning::learning_curves;
use crate::pipeline::evaluate::card::readme::sections;
use crate::pipeline::evaluate::card::write_card;
use crate::pipeline::evaluate::json_lines::for_each_line;
use crate::pipeline::evaluate::linear::aggregate::aggregate_metrics;
use crate::pipeline::evaluate::linear::errors::validation_error;
use crate::pipeline::evaluate::linear::field_reports::field_reports;
use crate::pipeline::evaluate::linear::findings::Findings;
use crate::pipeline::evaluate::linear::learning_curves::LearningCurves;
use crate::pipeline::evaluate::linear::plots::Evidence;
use crate::pipeline::evaluate::linear::target_tables::TargetTables;
use crate::pipeline::evaluate::linear::test_split::{Counted, score_test_split};
use crate::pipeline::evaluate::linear::trial::trial_metrics;
use crate::pipeline::evaluate::slices::slice_metrics;
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::pipeline::evaluate::{Evaluation, add_errors, metrics_from_rows, write_reports};
use crate::pipeline::run_log::record_log;
use crate::scratch::Scratch;

/// Evaluates the trained model and writes reports and model card into its directory.
pub(crate) async fn evaluate(
    deps: &Deps,
    attempt: AttemptId,
    trained: &TrainedModel<'_>,
    scratch: &Scratch,
) -> Result<Evaluation, Interruption> {
    let TrainedModel { run, spec, dataset, summary, base: _, losses } = *trained;
    let (model, snapshot, reports, target) = (scratch.model(), scratch.snapshot(), scratch.reports(), spec.target_accuracy());
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    let slice_keys = spec.slices().to_vec();
    let scoring = run_blocking(move || score(&model, &snapshot, &reports, target, &slice_keys, &cancelled));
    let Scored { test, slices, reliability, validation, findings, tables, test_errors, validation_errors } = scoring.await?;
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
    let card = model_card::document(trained, attempt.number, evidence, worst_slices, &findings.sentences, &plots)?;
    let mut readme = model_card::readme(run, spec, dataset, summary, &test, &findings.sentences, &tables);
    readme.push_str(&curves.map(|curves| curves.section()).unwrap_or_default());
    readme.push_str(&sections(&card));
    write_reports(&scratch.model(), &report, &readme).await?;
    write_card(&scratch.model(), &card, &plots).await?;
    Ok(Evaluation { metrics, errors, card: model_card::card(run, dataset, summary, &test, &findings.sentences, &tables) })
}

/// Metrics of a trial: on the validation split, or by out-of-fold scores of train if validation has no example.
pub(crate) async fn validate(scratch: &Scratch) -> Result<Vec<NewMetric>, Interruption> {
    let reports = scratch.reports();
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    let scoring = run_blocking(move || {
        for (split, file) in [("validation", VALIDATION_FILE), ("train", OUT_OF_FOLD_FILE)] {
            let fields = read_scores(&reports.join(file), &cancelled, |_| Ok(()))?;
            if !fields.is_empty() {
                return Ok(trial_metrics(split, &fields));
            }
        }
        Err(Interruption::permanent(
            "no_validation_scores",
            "neither the validation split nor the folds of train have an example of a trained field, so trials cannot be compared: review more documents",
        ))
    });
    scoring.await
}

/// What the scores of a model give.
struct Scored {
    test: Vec<FieldReport>,
    /// Metrics of the test split by slice, by field.
    slices: Vec<FieldSlices>,
    /// Accuracy by confidence on the test split, by field.
    reliability: BTreeMap<String, Vec<ReliabilityBin>>,
    validation: Vec<FieldReport>,
    /// About the test split.
    findings: Findings,
    tables: TargetTables,
    test_errors: ErrorCollector,
    validation_errors: ErrorCollector,
}

/// Sets the thresholds of the model, then scores the test split.
fn score(
    model_dir: &Path,
    snapshot: &Path,
    reports: &Path,
    target: f64,
    slice_keys: &[String],
    cancelled: &CancellationToken,
) -> Result<Scored, Interruption> {
    let mut unseen = unseen_scores(reports, cancelled)?;
    let unpublished = Model::load_unpublished(model_dir)?;
    let fields = unpublished.config().fields.iter().map(|field| field.name.clone());
    let curves: BTreeMap<String, ScoreCurve> = fields
        .map(|field| {
            let curve = ScoreCurve::new(&unseen.remove(&field).unwrap_or_default());
            (field, curve)
        })
        .collect();
    let decide = |curve: &ScoreCurve| match TargetRow::new(curve, target).threshold.value() {
        Some(threshold) => ThresholdDecision::Answer(threshold),
        None => ThresholdDecision::Unreachable,
    };
    set_thresholds(model_dir, &curves.iter().map(|(field, curve)| (field.clone(), decide(curve))).collect())?;
    let tables = TargetTables::new(&curves, target);
    ScoreCurves::new(curves).write(model_dir)?;
    let model = Model::load_unpublished(model_dir)?;
    let (mut test_errors, mut validation_errors) = (ErrorCollector::default(), ErrorCollector::default());
    let validation = read_scores(&reports.join(VALIDATION_FILE), cancelled, |row| {
        if let Some(error) = validation_error(&model, row)? {
            validation_errors.push(error);
        }
        Ok(())
    })?;
    let counted = Counted::read_labels(snapshot)?;
    let predictions = model_dir.join(PREDICTIONS_FILE);
    let scored = score_test_split(&model, snapshot, &predictions, &counted, cancelled, slice_keys, &mut test_errors)?;
    let (slices, test) = (scored.field_slices(&model), scored.fields);
    let reliability = test.iter().map(|(field, examples)| (field.clone(), reliability_bins(examples))).collect();
    let test = field_reports(&model, test);
    let findings = Findings::new(model.config(), &test);
    Ok(Scored {
        test,
        slices,
        reliability,
        validation: field_reports(&model, validation),
        findings,
        tables,
        test_errors,
        validation_errors,
    })
}

/// Scores of examples by models that were not trained on them, by field: those out of fold, and those of the validation split. Neither the
/// heads nor their parameters depend on the validation split, and no group of near-duplicates is in two splits.
fn unseen_scores(reports: &Path, cancelled: &CancellationToken) -> Result<BTreeMap<String, Vec<ScoredExample>>, Interruption> {
    let mut scores = read_scores(&reports.join(OUT_OF_FOLD_FILE), cancelled, |_| Ok(()))?;
    for (field, validation) in read_scores(&reports.join(VALIDATION_FILE), cancelled, |_| Ok(()))? {
        scores.entry(field).or_default().extend(validation);
    }
    Ok(scores)
}

/// Reads scores written by the training process, by field.
fn read_scores(
    path: &Path,
    cancelled: &CancellationToken,
    mut visit: impl FnMut(&ReportRow) -> Result<(), Interruption>,
) -> Result<BTreeMap<String, Vec<ScoredExample>>, Interruption> {
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    for_each_line(path, cancelled, |row: ReportRow| {
        visit(&row)?;
        fields.entry(row.field.clone()).or_default().push(row.into());
        Ok(())
    })?;
    Ok(fields)
}
