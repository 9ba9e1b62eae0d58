//! Evaluates a field classifier: thresholds from scores of unseen examples, then a child process reads the test split once.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use aprendiz_classifier::{EvidencedPrediction, KIND_AUTO, set_thresholds};
use aprendiz_db::run_blocking;
use aprendiz_run_spec::Backend;
use aprendiz_runs::{AttemptId, DatasetId};
use aprendiz_training::{ClassifierEvaluation, EvaluationJob, PredictedDocument, TrainingJob, TrainingSummary};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::child::supervisor::ChildOutcome;
use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::base_model::BaseModelRef;
use crate::pipeline::embedding_cache::{EmbeddingCache, NewVectors};
use crate::pipeline::evaluate::Evaluation;
use crate::pipeline::evaluate::card::champion::PREDICTIONS_FILE;
use crate::pipeline::evaluate::fields::calibration::{Calibrated, calibrate};
use crate::pipeline::evaluate::fields::model_card::MethodText;
use crate::pipeline::evaluate::fields::report::write_results;
use crate::pipeline::evaluate::fields::test_split::{Counted, TestExample, TestScores, TestSplit, score_test_split};
use crate::pipeline::evaluate::process::{run_evaluation, unexpected_outcome};
use crate::pipeline::evaluate::selection;
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::pipeline::evaluate::written_model::WrittenModel;
use crate::scratch::Scratch;

/// What the evaluation process predicts, in the folder of reports.
const PREDICTED_FILE: &str = "predicted.jsonl";

/// Evaluates the trained model and writes reports and model card into its directory.
pub(crate) async fn evaluate(
    deps: &Deps,
    attempt: AttemptId,
    trained: &TrainedModel<'_>,
    scratch: &Scratch,
) -> Result<Evaluation, Interruption> {
    let base = trained.base.ok_or_else(|| Interruption::broken_state("a field classifier was trained without a base model"))?;
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    let (model, reports, target, token) = (scratch.model(), scratch.reports(), trained.spec.target_accuracy(), cancelled.clone());
    let (written, calibrated) = run_blocking(move || set_field_thresholds(&model, &reports, target, &token)).await?;
    predict(deps, attempt, &written.classifier.base_model, trained.spec.backend(), DatasetId(trained.dataset.id), scratch).await?;
    let (model, snapshot, reports, fields) = (scratch.model(), scratch.snapshot(), scratch.reports(), calibrated.fields.clone());
    let slice_keys = trained.spec.slices().to_vec();
    let scores = run_blocking(move || {
        let mut predicted = Predicted::open(&reports)?;
        let predict = |example: &TestExample| predicted.next(example.document_id);
        let counted = Counted::read_labels(&snapshot)?;
        let split = TestSplit { snapshot: &snapshot, counted: &counted, slice_keys: &slice_keys };
        score_test_split(&fields, &split, &model.join(PREDICTIONS_FILE), &cancelled, predict)
    });
    let scores: TestScores = scores.await?;
    let method = describe(&written, base, trained.summary);
    write_results(deps, attempt, trained, &method, scratch, calibrated, scores).await
}

fn set_field_thresholds(
    model_dir: &Path,
    reports: &Path,
    target: f64,
    cancelled: &CancellationToken,
) -> Result<(WrittenModel, Calibrated), Interruption> {
    let written = WrittenModel::read(model_dir)?;
    let set = |decisions: &_| Ok(set_thresholds(model_dir, decisions)?);
    let calibrated = calibrate(model_dir, reports, target, &written.fields, cancelled, set)?;
    Ok((written, calibrated))
}

/// Predicts the test split with the model in the scratch folder, in a child process. `base_model` is the hash of the one that the encoder
/// comes from. [`Predicted`] reads the result.
pub(crate) async fn predict(
    deps: &Deps,
    attempt: AttemptId,
    base_model: &str,
    backend: Backend,
    dataset: DatasetId,
    scratch: &Scratch,
) -> Result<(), Interruption> {
    let cache = EmbeddingCache::download(deps, attempt, base_model, backend, scratch, NewVectors::Evaluation).await;
    let job = EvaluationJob::Classifier(ClassifierEvaluation {
        v: TrainingJob::version(),
        model: scratch.model(),
        documents: scratch.snapshot().join("jsonl/test.jsonl"),
        predictions: scratch.reports().join(PREDICTED_FILE),
        embeddings: cache.as_ref().map(EmbeddingCache::files),
        threads: deps.config.threads,
        backend,
    });
    let ChildOutcome::Predicted(usage) = run_evaluation(deps, attempt, &job, scratch).await? else { return Err(unexpected_outcome()) };
    match cache {
        Some(cache) => cache.store(deps, attempt, dataset, &usage).await,
        None => Ok(()),
    }
}

/// The predictions of the evaluation process, in the order of the test split.
pub(crate) struct Predicted {
    lines: std::io::Lines<BufReader<File>>,
    path: std::path::PathBuf,
}

impl Predicted {
    /// Opens those in the folder of reports.
    pub(crate) fn open(reports: &Path) -> Result<Self, Interruption> {
        let path = reports.join(PREDICTED_FILE);
        let file = File::open(&path).map_err(|error| Interruption::scratch(&path, &error))?;
        Ok(Self { lines: BufReader::new(file).lines(), path })
    }

    /// The predictions for the next document, which must be this one.
    pub(crate) fn next(&mut self, document: Uuid) -> Result<Vec<EvidencedPrediction>, Interruption> {
        let document_id = document.to_string();
        let missing = || Interruption::broken_state(format!("the evaluation process has not predicted document {document_id}"));
        let line = self.lines.next().ok_or_else(missing)?.map_err(|error| Interruption::scratch(&self.path, &error))?;
        let predicted: PredictedDocument = serde_json::from_str(&line).map_err(Interruption::broken_state)?;
        if predicted.document_id == document_id { Ok(predicted.fields) } else { Err(missing()) }
    }
}

fn describe(written: &WrittenModel, base: &BaseModelRef, summary: &TrainingSummary) -> MethodText {
    let (config, is_auto) = (&written.classifier, written.kind == KIND_AUTO);
    let chunks = &config.chunks;
    let words = if config.words.is_some() { ", and words of the chunks" } else { "" };
    let mut reading = selection::sentences(summary);
    reading.push(format!(
        "Chunks: at most {} of up to {} tokens, of which neighbours share {}; of a longer text, evenly spaced ones are read",
        chunks.max_chunks, chunks.tokens, chunks.overlap
    ));
    let classifier = "One softmax classifier per field with attention over the chunks of a text, on vectors of a frozen encoder";
    MethodText {
        model: if is_auto { "A linear model and field classifiers, selected by field".to_owned() } else { classifier.to_owned() },
        inputs: format!("vectors of {} dimensions by the base model `{}`{words}", config.vector_size, base.name),
        reading,
        out_of_fold: "by models trained without the example",
        unanswered: "A text without any token",
        files: if is_auto {
            "`linear/` (the linear model), `field-classifier/` (the classifiers, and the encoder in the layout of sentence-transformers)"
        } else {
            "`heads.safetensors` (weights of the classifiers), `encoder/` (the encoder, in the layout of sentence-transformers)"
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_of_another_document_are_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, other] = [1, 2, 3].map(Uuid::from_u128);
        let lines = [first, second].map(|id| format!("{{\"document_id\":\"{id}\",\"fields\":[]}}\n"));
        std::fs::write(dir.path().join(PREDICTED_FILE), lines.concat()).unwrap();
        let mut predicted = Predicted::open(dir.path()).unwrap();
        assert!(predicted.next(first).is_ok() && predicted.next(other).is_err());
        assert!(predicted.next(other).is_err(), "there is none left");
    }
}
