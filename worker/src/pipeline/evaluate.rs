//! Phase `evaluate`: thresholds from out-of-fold scores, then the one reading of the test split.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use ::dataset::Dataset;
use evaluation::{FieldReport, MetricRow, ReportOptions, ScoredExample, Threshold, choose_threshold, report};
use inference::{FieldPrediction, Model, NgramCounter, ThresholdDecision, set_thresholds};
use runs::{AttemptKey, EventKind, NewMetric, RunSpec, TrainingRun, record_attempt_event};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use training::{OUT_OF_FOLD_FILE, ReportRow, TrainingSummary, VALIDATION_FILE};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
use crate::pipeline::model_card;
use crate::pipeline::scratch::Scratch;

/// What the model answered for every test example; lets anyone check the metrics, and `predict` against them.
const PREDICTIONS_FILE: &str = "test_predictions.jsonl";
pub(crate) const METRICS_FILE: &str = "metrics.json";

/// What a model is worth.
pub(crate) struct Evaluation {
    pub(crate) metrics: Vec<NewMetric>,
    /// The model in short, for lists.
    pub(crate) card: Value,
}

/// The part of `labels.json` that decides which examples count.
#[derive(Deserialize)]
struct Labels {
    fields: BTreeMap<String, FieldLabels>,
}

#[derive(Deserialize)]
struct FieldLabels {
    labels: Vec<Option<String>>,
}

/// A line of `test.jsonl`.
#[derive(Deserialize)]
struct TestExample {
    document_id: String,
    text: String,
    fields: BTreeMap<String, Reviewed>,
}

#[derive(Deserialize)]
struct Reviewed {
    value: Vec<String>,
}

/// Scores the trained model and writes what describes it into its directory.
pub(crate) async fn evaluate(
    context: &WorkerContext,
    key: AttemptKey,
    run: &TrainingRun,
    spec: &RunSpec,
    dataset: &Dataset,
    summary: &TrainingSummary,
    scratch: &Scratch,
) -> Result<Evaluation, Stop> {
    let (model, snapshot, reports, target) = (scratch.model(), scratch.snapshot(), scratch.reports(), spec.target_accuracy);
    let scoring = tokio::task::spawn_blocking(move || score(&model, &snapshot, &reports, target));
    let (test, validation) = scoring.await.map_err(|error| Stop::retryable("evaluation_failed", error.to_string()))??;
    let note = json!({ "text": format!("test split read once: {} examples over {} fields", test.iter().map(|field| field.n).sum::<u64>(), test.len()) });
    patiently!(async { record_attempt_event(&mut *context.pool.acquire().await?, key, EventKind::Log, &note).await })?;

    let mut metrics = overall("test", &test);
    for report in &test {
        metrics.extend(metric_rows("test", Some(&report.field), report.rows()));
    }
    for report in &validation {
        metrics.extend(metric_rows("validation", Some(&report.field), report.rows()));
    }
    let card = model_card::card(run, dataset, summary, &test);
    let dir = scratch.model();
    write_file(&dir.join(METRICS_FILE), &serde_json::to_vec_pretty(&json!({ "test": test, "validation": validation })).map_err(broken)?)
        .await?;
    write_file(&dir.join("README.md"), model_card::readme(run, spec, dataset, summary, &test).as_bytes()).await?;
    Ok(Evaluation { metrics, card })
}

pub(crate) async fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    tokio::fs::write(path, bytes).await.map_err(|error| Stop::scratch(path, &error))
}

pub(crate) fn broken(error: serde_json::Error) -> Stop {
    Stop::permanent("broken_state", error.to_string())
}

/// Sets the thresholds, then scores test; gives the reports on test and on validation.
fn score(model_dir: &Path, snapshot: &Path, reports: &Path, target: f64) -> Result<(Vec<FieldReport>, Vec<FieldReport>), Stop> {
    let mut out_of_fold = scores(&reports.join(OUT_OF_FOLD_FILE))?;
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
    let validation = scores(&reports.join(VALIDATION_FILE))?;
    let test = score_test(&model, snapshot, &model_dir.join(PREDICTIONS_FILE))?;
    Ok((reports_of(&model, test), reports_of(&model, validation)))
}

fn scores(path: &Path) -> Result<BTreeMap<String, Vec<ScoredExample>>, Stop> {
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    each_line(path, |row: ReportRow| {
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

fn score_test(model: &Model, snapshot: &Path, predictions: &Path) -> Result<BTreeMap<String, Vec<ScoredExample>>, Stop> {
    let path = snapshot.join("labels.json");
    let text = std::fs::read(&path).map_err(|error| Stop::scratch(&path, &error))?;
    let labels: Labels = serde_json::from_slice(&text).map_err(broken)?;
    let file = File::create(predictions).map_err(|error| Stop::scratch(predictions, &error))?;
    let mut out = BufWriter::new(file);
    let mut counter = NgramCounter::new();
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    each_line(&snapshot.join("jsonl/test.jsonl"), |example: TestExample| {
        for answer in model.predict_with(&mut counter, &example.text) {
            let Some(gold) = gold(&example, &labels, &answer.field) else {
                continue;
            };
            let line = json!({
                "document_id": example.document_id, "field": answer.field, "gold": gold,
                "value": answer.value, "confidence": answer.confidence, "answered": answer.answered,
            });
            writeln!(out, "{line}").map_err(|error| Stop::scratch(predictions, &error))?;
            fields.entry(answer.field.clone()).or_default().push(scored(gold, &answer));
        }
        Ok(())
    })?;
    out.flush().map_err(|error| Stop::scratch(predictions, &error))?;
    Ok(fields)
}

/// The accepted value, if this document counts for the field: reviewed, and with a label that is not excluded.
fn gold(example: &TestExample, labels: &Labels, field: &str) -> Option<Option<String>> {
    let gold = match example.fields.get(field)?.value.as_slice() {
        [] => None,
        [value] => Some(value.clone()),
        _ => return None,
    };
    labels.fields.get(field)?.labels.contains(&gold).then_some(gold)
}

fn scored(gold: Option<String>, answer: &FieldPrediction) -> ScoredExample {
    let gold_probability = Some(answer.probability(gold.as_deref()));
    ScoredExample { gold, predicted: answer.value.clone(), confidence: answer.confidence, gold_probability }
}

fn each_line<T: DeserializeOwned>(path: &Path, mut visit: impl FnMut(T) -> Result<(), Stop>) -> Result<(), Stop> {
    let file = File::open(path).map_err(|error| Stop::scratch(path, &error))?;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| Stop::scratch(path, &error))?;
        visit(serde_json::from_str(&line).map_err(broken)?)?;
    }
    Ok(())
}

/// A report per field of the model, fields without an example included.
fn reports_of(model: &Model, mut scored: BTreeMap<String, Vec<ScoredExample>>) -> Vec<FieldReport> {
    let fields = model.config().fields.iter();
    fields
        .map(|field| {
            let examples = scored.remove(&field.name).unwrap_or_default();
            report(&field.name, &examples, &ReportOptions { majority: field.majority().cloned(), threshold: field.threshold })
        })
        .collect()
}

/// Metrics over all fields: shares weigh each example alike, macro F1 each field.
fn overall(split: &'static str, reports: &[FieldReport]) -> Vec<NewMetric> {
    let n: u64 = reports.iter().map(|report| report.n).sum();
    let pooled = |of: fn(&FieldReport) -> Option<f64>| {
        let total: f64 = reports.iter().filter_map(|report| of(report).map(|share| share * report.n as f64)).sum();
        (n > 0).then(|| total / n as f64)
    };
    let coverage = pooled(|report| report.coverage);
    let right_answers = pooled(|report| Some(report.selective_accuracy.unwrap_or(0.0) * report.coverage.unwrap_or(0.0)));
    let selective = coverage.zip(right_answers).and_then(|(coverage, right)| (coverage > 0.0).then(|| right / coverage));
    let f1: Vec<f64> = reports.iter().filter_map(|report| report.macro_f1).collect();
    let macro_f1 = (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64);
    let number = |name: &str, value: Option<f64>| NewMetric {
        split,
        field: None,
        name: name.to_owned(),
        value,
        details: value.is_none().then(|| json!({ "undefined": "nothing to count" })),
    };
    vec![
        number("n", Some(n as f64)),
        number("accuracy", pooled(|report| report.accuracy)),
        number("macro_f1", macro_f1),
        number("majority_baseline", pooled(|report| report.majority_baseline)),
        number("coverage", coverage),
        number("selective_accuracy", selective),
    ]
}

/// Rows of a report as metrics of a run.
pub(crate) fn metric_rows(split: &'static str, field: Option<&str>, rows: Vec<MetricRow>) -> Vec<NewMetric> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn example(gold: &str, predicted: &str, confidence: f64) -> ScoredExample {
        ScoredExample { gold: Some(gold.to_owned()), predicted: Some(predicted.to_owned()), confidence, gold_probability: None }
    }

    #[test]
    fn overall_figures_weigh_every_example_alike() {
        let threshold = ReportOptions { majority: None, threshold: Some(0.5) };
        let one = report("one", &[example("a", "a", 0.9), example("a", "b", 0.1), example("b", "b", 0.9)], &threshold);
        let two = report("two", &[example("x", "y", 0.9)], &threshold);
        let metrics = overall("test", &[one, two]);
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.value).unwrap();
        assert_eq!(value("n"), 4.0);
        assert!((value("accuracy") - 0.5).abs() < 1e-12);
        assert!((value("coverage") - 0.75).abs() < 1e-12);
        assert!((value("selective_accuracy") - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_label_that_is_excluded_does_not_count() {
        let labels: Labels = serde_json::from_value(json!({ "fields": { "law": { "labels": ["Texas", null] } } })).unwrap();
        let example = |value: &[&str]| -> TestExample {
            serde_json::from_value(json!({ "document_id": "d", "text": "t", "fields": { "law": { "value": value } } })).unwrap()
        };
        assert_eq!(gold(&example(&["Texas"]), &labels, "law"), Some(Some("Texas".to_owned())));
        assert_eq!(gold(&example(&[]), &labels, "law"), Some(None));
        assert_eq!(gold(&example(&["Utah"]), &labels, "law"), None);
        assert_eq!(gold(&example(&["Texas"]), &labels, "other"), None);
    }
}
