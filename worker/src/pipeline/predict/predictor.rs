//! Predicts documents with a version: a linear model in this process, one with an encoder in a child process, with the code of evaluations.

use std::collections::HashMap;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use aprendiz_annotations::predictions::{DocumentToPredict, load_texts};
use aprendiz_db::run_blocking;
use aprendiz_inference::{FieldPrediction, Model, NgramCounter};
use aprendiz_run_spec::{Backend, RunKind};
use aprendiz_runs::{AttemptId, ModelVersion, RunsError};
use aprendiz_training::{ClassifierEvaluation, EvaluationJob, Event, PredictedDocument, TrainingJob};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::child::supervisor::{self, ChildOutcome};
use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::embedding_cache::{EmbeddingCache, NewVectors};
use crate::pipeline::evaluate::json_lines::for_each_line;
use crate::pipeline::evaluate::written_model::WrittenModel;
use crate::pipeline::predict::parts::split;
use crate::retry::retry_on_outage;
use crate::scratch::{Scratch, write_file};

/// A loaded version.
pub(super) enum Predictor<'a> {
    Linear(Arc<Model>),
    Classifier { scratch: &'a Scratch, backend: Backend, attempt: AttemptId, cache: Option<EmbeddingCache> },
}

/// The predictions of one page, document by document.
pub(super) enum PageReader {
    Linear(Arc<Model>),
    Predicted(HashMap<Uuid, Vec<FieldPrediction>>),
}

impl<'a> Predictor<'a> {
    /// Loads the version whose files are in the scratch folder.
    pub(super) async fn load(
        deps: &Deps,
        attempt: AttemptId,
        version: &ModelVersion,
        backend: Backend,
        scratch: &'a Scratch,
    ) -> Result<Self, Interruption> {
        let folder = scratch.model();
        if version.card["kind"].as_str() != Some(RunKind::Linear.as_str()) {
            let written = run_blocking(move || WrittenModel::read(&folder)).await?;
            let cache =
                EmbeddingCache::download(deps, attempt, &written.classifier.base_model, backend, scratch, NewVectors::Evaluation).await;
            return Ok(Self::Classifier { scratch, backend, attempt, cache });
        }
        Ok(Self::Linear(Arc::new(run_blocking(move || Model::load_unpublished(&folder)).await?)))
    }

    /// Prepares the predictions of a page. `show` gets the number of documents that are computed.
    pub(super) async fn start(
        &self,
        deps: &Deps,
        documents: &[DocumentToPredict],
        mut show: impl FnMut(f64),
    ) -> Result<PageReader, Interruption> {
        let (scratch, backend, attempt, cache) = match self {
            Self::Linear(model) => return Ok(PageReader::Linear(Arc::clone(model))),
            Self::Classifier { scratch, backend, attempt, cache } => (*scratch, *backend, *attempt, cache.as_ref()),
        };
        if documents.is_empty() {
            return Ok(PageReader::Predicted(HashMap::new()));
        }
        let input = scratch.snapshot().join("documents.jsonl");
        let output = scratch.reports().join("predicted.jsonl");
        for folder in [scratch.snapshot(), scratch.reports()] {
            tokio::fs::create_dir_all(&folder).await.map_err(|error| Interruption::scratch(&folder, &error))?;
        }
        write_texts(deps, documents, &input).await?;
        let job = EvaluationJob::Classifier(ClassifierEvaluation {
            v: TrainingJob::version(),
            model: scratch.model(),
            documents: input,
            predictions: output.clone(),
            embeddings: cache.map(EmbeddingCache::files),
            threads: deps.config.threads,
            backend,
        });
        let path = scratch.job();
        write_file(&path, &serde_json::to_vec_pretty(&job).map_err(Interruption::broken_state)?).await?;
        // a page is short: at shutdown it either ends within the grace period, or is predicted again by the next attempt
        let never = CancellationToken::new();
        let on_event = |event| {
            if let Event::Progress { fraction, .. } = event {
                show(fraction * documents.len() as f64);
            }
        };
        let ChildOutcome::Predicted(usage) = supervisor::run("evaluate", &path, deps.config.child_timeout, &never, on_event).await? else {
            return Err(Interruption::permanent("child_protocol", "the evaluation process returned the result of another job"));
        };
        if let Some(cache) = cache {
            cache.record_use(deps, attempt, &usage).await?;
        }
        Ok(PageReader::Predicted(run_blocking(move || read_predictions(&output)).await?))
    }
}

impl PageReader {
    /// The predictions of documents of the page, in their order; `None` for a document whose text is gone.
    pub(super) async fn predict(
        &mut self,
        deps: &Deps,
        documents: &[DocumentToPredict],
    ) -> Result<Vec<Option<Vec<FieldPrediction>>>, Interruption> {
        let model = match self {
            Self::Predicted(predicted) => return Ok(documents.iter().map(|document| predicted.remove(&document.id)).collect()),
            Self::Linear(model) => Arc::clone(model),
        };
        let mut texts = read_texts(deps, documents).await?;
        let texts: Vec<Option<String>> = documents.iter().map(|document| texts.remove(&document.id)).collect();
        Ok(run_blocking(move || {
            let mut counter = NgramCounter::new();
            texts.iter().map(|text| text.as_ref().map(|text| model.predict_with(&mut counter, text))).collect()
        })
        .await)
    }
}

async fn read_texts(deps: &Deps, documents: &[DocumentToPredict]) -> Result<HashMap<Uuid, String>, Interruption> {
    Ok(retry_on_outage!(async { Ok::<_, RunsError>(load_texts(&mut *deps.database.read().await?, documents).await?) })?)
}

/// Writes the texts as the examples of a snapshot are written; parts of them are in memory.
async fn write_texts(deps: &Deps, documents: &[DocumentToPredict], path: &Path) -> Result<(), Interruption> {
    const PART: usize = 64;
    let failed = |error: &std::io::Error| Interruption::scratch(path, error);
    let mut out = BufWriter::new(std::fs::File::create(path).map_err(|error| failed(&error))?);
    for part in split(documents, PART) {
        let mut texts = read_texts(deps, part).await?;
        for document in part {
            let Some(text) = texts.remove(&document.id) else { continue };
            writeln!(out, "{}", json!({ "document_id": document.id, "text": text })).map_err(|error| failed(&error))?;
        }
    }
    out.flush().map_err(|error| failed(&error))
}

fn read_predictions(path: &Path) -> Result<HashMap<Uuid, Vec<FieldPrediction>>, Interruption> {
    let mut predictions = HashMap::new();
    for_each_line(path, &CancellationToken::new(), |line: PredictedDocument| {
        let id: Uuid = line.document_id.parse().map_err(Interruption::broken_state)?;
        predictions.insert(id, line.fields.into_iter().map(|field| field.prediction).collect());
        Ok(())
    })?;
    Ok(predictions)
}
