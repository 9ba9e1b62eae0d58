//! What predicts with a version: its model in this process, or the inference process.

use std::sync::Arc;

use aprendiz_artifacts::Store;
use aprendiz_inference::protocol::ServedPrediction;
use aprendiz_inference::{FieldPrediction, Model, NgramCounter, WordEvidence};
use aprendiz_runs::ModelVersion;

use crate::api::http::error::ApiError;
use crate::api::models::inference::client::InferenceClient;
use crate::api::models::model_cache::ModelCache;
use crate::api::models::version::{ensure_files, ensure_predicts, load_version_model, needs_inference};

/// A version that can predict; cheap to clone.
#[derive(Clone)]
pub(crate) enum Predictor {
    /// A model in this process.
    Local(Arc<Model>),
    /// A model in the inference process.
    Remote(InferenceClient, Arc<ModelVersion>),
}

impl Predictor {
    /// What predicts with the version. Models of this process are loaded through the cache.
    pub(crate) async fn load(
        models: &ModelCache,
        store: &Store,
        inference: Option<&InferenceClient>,
        version: &ModelVersion,
    ) -> Result<Self, ApiError> {
        if !needs_inference(&version.card) {
            return Ok(Self::Local(load_version_model(models, store, version).await?));
        }
        ensure_files(version)?;
        ensure_predicts(version)?;
        match inference {
            Some(client) => Ok(Self::Remote(client.clone(), Arc::new(version.clone()))),
            None => {
                let detail = format!(
                    "model `{}` version {} is a field classifier, and this server has no inference process: start it with \
                     --with-inference, set APRENDIZ_INFERENCE_SOCKET and run `aprendiz-worker serve-models`, or name a version of kind \
                     `linear` as `number`",
                    version.model, version.number
                );
                Err(ApiError::conflict("needs_inference", detail))
            }
        }
    }
}

/// The predictions of a model in this process, with at most `top_k` classes per field.
pub(crate) fn predict_locally(model: &Model, counter: &mut NgramCounter, text: &str, top_k: usize) -> Vec<ServedPrediction> {
    model.predict_with(counter, text).into_iter().map(|prediction| serve(model, prediction, Vec::new(), top_k)).collect()
}

/// As [`predict_locally`], with the words that speak for and against each value.
pub(crate) fn explain_locally(model: &Model, counter: &mut NgramCounter, text: &str, top_k: usize) -> Vec<ServedPrediction> {
    let explained = model.predict_with_evidence(counter, text).into_iter();
    explained.map(|(prediction, words)| serve(model, prediction, words, top_k)).collect()
}

fn serve(model: &Model, mut prediction: FieldPrediction, words: Vec<WordEvidence>, top_k: usize) -> ServedPrediction {
    prediction.top.truncate(top_k);
    let threshold = model.field(&prediction.field).and_then(|field| field.threshold);
    ServedPrediction { prediction, threshold, evidence: None, words }
}
