//! Evaluates a published model on the test split of a snapshot, without the documents that it was trained or selected on.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use aprendiz_classifier::EvidencedPrediction;
use aprendiz_dataset::Split;
use aprendiz_db::run_blocking;
use aprendiz_inference::{Model, NgramCounter, ThresholdDecision, set_thresholds};
use aprendiz_run_spec::{RunKind, ValidatedSpec};
use aprendiz_runs::{AttemptId, DatasetId, LatestThreshold, ModelVersion, NewMetric, NewRunError};
use aprendiz_text::count;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::card::champion::PREDICTIONS_FILE;
use crate::pipeline::evaluate::field_classifier::{self, Predicted};
use crate::pipeline::evaluate::fields::aggregate::aggregate_metrics;
use crate::pipeline::evaluate::fields::test_split::{Counted, TestScores, TestSplit, read_test_documents, score_test_split};
use crate::pipeline::evaluate::slices::slice_metrics;
use crate::pipeline::evaluate::written_model::WrittenModel;
use crate::pipeline::evaluate::{add_errors, metrics_from_rows};
use crate::pipeline::run_log::record_log;
use crate::scratch::Scratch;

/// Name of the metric with the number of test documents on which the version was trained or selected.
const EXCLUDED_METRIC: &str = "excluded_documents";

/// What the evaluation of a published version gives. The predictions are in a file of the scratch folder.
pub(crate) struct PublishedEvaluation {
    pub(crate) metrics: Vec<NewMetric>,
    pub(crate) errors: Vec<NewRunError>,
}

/// Documents of the test split of the snapshot.
pub(crate) async fn list_test_documents(scratch: &Scratch) -> Result<Vec<Uuid>, Interruption> {
    let snapshot = scratch.snapshot();
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    run_blocking(move || read_test_documents(&snapshot, &cancelled)).await
}

/// A published version whose files are in the scratch folder, and what it is evaluated on.
pub(crate) struct Published<'a> {
    pub(crate) version: &'a ModelVersion,
    pub(crate) spec: &'a ValidatedSpec,
    /// The dataset in the scratch folder.
    pub(crate) dataset: DatasetId,
    /// The splits of test documents in the snapshot of the version: those in train and validation are excluded.
    pub(crate) used: &'a HashMap<Uuid, Split>,
}

/// Scores the model with the current thresholds, and writes its predictions into the folder of reports.
pub(crate) async fn evaluate(
    deps: &Deps,
    attempt: AttemptId,
    published: Published<'_>,
    thresholds: Vec<LatestThreshold>,
    scratch: &Scratch,
) -> Result<PublishedEvaluation, Interruption> {
    let Published { version, spec, dataset, used } = published;
    let excluded = Exclusions::new(used);
    let counted = Counted::AllBut(used.iter().filter(|(_, split)| **split != Split::Test).map(|(document, _)| *document).collect());
    let (model, snapshot, reports) = (scratch.model(), scratch.snapshot(), scratch.reports());
    tokio::fs::create_dir_all(&reports).await.map_err(|error| Interruption::scratch(&reports, &error))?;
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    let slice_keys = spec.slices().to_vec();
    let decide = |threshold: Option<f64>| threshold.map_or(ThresholdDecision::Unreachable, ThresholdDecision::Answer);
    let decisions: Decisions = thresholds.into_iter().map(|changed| (changed.field, decide(changed.threshold))).collect();
    if version.card["kind"].as_str() != Some(RunKind::Linear.as_str()) {
        let written = run_blocking({
            let model = model.clone();
            move || {
                aprendiz_classifier::set_thresholds(&model, &decisions)?;
                WrittenModel::read(&model)
            }
        });
        let written = written.await?;
        field_classifier::predict(deps, attempt, &written.classifier.base_model, spec.backend(), dataset, scratch).await?;
        let scoring = run_blocking(move || {
            let mut predicted = Predicted::open(&reports)?;
            let split = TestSplit { snapshot: &snapshot, counted: &counted, slice_keys: &slice_keys };
            let path = reports.join(PREDICTIONS_FILE);
            score_test_split(&written.fields, &split, &path, &cancelled, |example| predicted.next(example.document_id))
        });
        return finish(deps, attempt, excluded, scoring.await?).await;
    }
    let scoring = run_blocking(move || {
        let split = TestSplit { snapshot: &snapshot, counted: &counted, slice_keys: &slice_keys };
        score_linear(&model, &decisions, &split, &reports, &cancelled)
    });
    finish(deps, attempt, excluded, scoring.await?).await
}

/// The thresholds of fields.
type Decisions = BTreeMap<String, ThresholdDecision>;

/// Records what was evaluated, and returns the metrics.
async fn finish(deps: &Deps, attempt: AttemptId, excluded: Exclusions, scores: TestScores) -> Result<PublishedEvaluation, Interruption> {
    let TestScores { reports: test, slices, reliability: _, findings, errors: found } = scores;
    let examples: u64 = test.iter().map(|field| field.examples).sum();
    if examples == 0 {
        return Err(Interruption::permanent("no_examples", excluded.describe_nothing()));
    }
    let read = format!("evaluated on {} in {}", count(examples, "test example"), count(test.len() as u64, "field"));
    let warnings = findings.sentences.iter().map(|finding| format!("warning: {finding}"));
    for text in warnings.chain(excluded.describe()).chain([read]) {
        record_log(&deps.database, attempt, &json!({ "text": text })).await?;
    }
    let mut metrics = aggregate_metrics("test", &test);
    metrics.push(excluded.metric());
    metrics.extend(findings.metrics);
    for report in &test {
        metrics.extend(metrics_from_rows("test", Some(&report.field), report.rows()));
    }
    metrics.extend(slice_metrics("test", &slices)?.0);
    let mut errors = Vec::new();
    metrics.push(add_errors(&mut errors, "test", found));
    Ok(PublishedEvaluation { metrics, errors })
}

fn score_linear(
    model_dir: &Path,
    decisions: &Decisions,
    split: &TestSplit<'_>,
    reports: &Path,
    cancelled: &CancellationToken,
) -> Result<TestScores, Interruption> {
    set_thresholds(model_dir, decisions)?;
    let model = Model::load_unpublished(model_dir)?;
    let mut counter = NgramCounter::new();
    score_test_split(&model.config().fields, split, &reports.join(PREDICTIONS_FILE), cancelled, |example| {
        let predictions = model.predict_with(&mut counter, &example.text).into_iter();
        Ok(predictions.map(|prediction| EvidencedPrediction { prediction, evidence: None }).collect())
    })
}

/// Test documents on which the version was trained or selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exclusions {
    train: usize,
    validation: usize,
}

impl Exclusions {
    fn new(used: &HashMap<Uuid, Split>) -> Self {
        let number = |wanted: Split| used.values().filter(|split| **split == wanted).count();
        Self { train: number(Split::Train), validation: number(Split::Validation) }
    }

    const fn total(self) -> usize {
        self.train + self.validation
    }

    /// A sentence for the log, if something is excluded.
    fn describe(self) -> Option<String> {
        (self.total() > 0).then(|| {
            format!(
                "{} excluded: the version was trained on {} of them and selected on {}",
                count(self.total() as u64, "test document"),
                self.train,
                self.validation
            )
        })
    }

    fn describe_nothing(self) -> String {
        let excluded = self.describe().map(|sentence| format!(" ({sentence})")).unwrap_or_default();
        format!(
            "no test document has an accepted value of a field of the version{excluded}: import and review documents that it does not \
             know, or widen the selection"
        )
    }

    fn metric(self) -> NewMetric {
        NewMetric {
            split: "test",
            field: None,
            name: EXCLUDED_METRIC.to_owned(),
            value: Some(self.total() as f64),
            details: Some(json!({ "train": self.train, "validation": self.validation })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_train_and_validation_are_excluded_and_counted() {
        let used = [Split::Train, Split::Train, Split::Validation, Split::Test];
        let used: HashMap<Uuid, Split> = used.into_iter().enumerate().map(|(id, split)| (Uuid::from_u128(id as u128), split)).collect();
        let excluded = Exclusions::new(&used);
        assert_eq!(excluded, Exclusions { train: 2, validation: 1 });
        assert_eq!((excluded.metric().value, &excluded.metric().details.unwrap()["train"]), (Some(3.0), &json!(2)));
        assert!(excluded.describe_nothing().contains("3 test documents excluded"), "{}", excluded.describe_nothing());
        assert_eq!(Exclusions { train: 0, validation: 0 }.describe(), None);
    }
}
