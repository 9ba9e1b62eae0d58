//! A loaded challenger: its model and its thresholds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aprendiz_artifacts::Store;
use aprendiz_db::Database;
use aprendiz_inference::NgramCounter;
use aprendiz_inference::protocol::ServedPrediction;
use aprendiz_runs::{RunsError, ShadowAnswer};

use crate::api::http::compute::{Compute, SpareCore};
use crate::api::http::error::ApiError;
use crate::api::models::inference::client::InferenceClient;
use crate::api::models::inference::predictor::{Predictor, predict_locally};
use crate::api::models::model_cache::ModelCache;
use crate::api::models::shadow::queue::ShadowAnswers;
use crate::api::models::thresholds::{changed_thresholds, current_threshold};
use crate::api::models::version::find_model_version;

/// Time that the inference process gets for a text: the task has other work, too.
const INFERENCE_TIMEOUT: Duration = Duration::from_secs(10);

/// What comparing challengers needs; cheap to clone.
#[derive(Clone)]
pub(crate) struct ShadowDeps {
    pub(crate) database: Database,
    pub(crate) store: Store,
    pub(crate) models: Arc<ModelCache>,
    pub(crate) inference: Option<InferenceClient>,
    pub(crate) compute: Compute,
}

/// A version that predicts beside the champion.
#[derive(Clone)]
pub(crate) struct Challenger {
    predictor: Predictor,
    thresholds: Arc<HashMap<String, Option<f64>>>,
}

impl Challenger {
    /// Loads a version through the cache of the predictions. A retired one does not answer.
    pub(crate) async fn load(deps: &ShadowDeps, model: &str, number: i32) -> Result<Self, ApiError> {
        let mut conn = deps.database.read().await?;
        let version = find_model_version(&mut conn, model, Some(number)).await?;
        if version.retired_at.is_some() {
            return Err(RunsError::VersionRetired { model: model.to_owned(), number }.into());
        }
        let thresholds = Arc::new(changed_thresholds(&mut conn, version.id).await?);
        drop(conn);
        let predictor = Predictor::load(&deps.models, &deps.store, deps.inference.as_ref(), &version).await?;
        Ok(Self { predictor, thresholds })
    }

    /// Predicts on a core that no request needs. While the inference process predicts, the core stays taken, because it needs one, too.
    pub(crate) async fn answer(&self, core: SpareCore, text: String) -> Result<ShadowAnswers, ApiError> {
        let predictions = match &self.predictor {
            Predictor::Local(model) => {
                let model = Arc::clone(model);
                core.run(move || predict_locally(&model, &mut NgramCounter::new(), &text, 1)).await?.0
            }
            Predictor::Remote(client, version) => {
                let _core = core;
                client.with_timeout(INFERENCE_TIMEOUT).predict(version, vec![text], 1).await?.pop().unwrap_or_default()
            }
        };
        let answer = |ServedPrediction { mut prediction, threshold, .. }: ServedPrediction| {
            prediction.decide(current_threshold(&self.thresholds, &prediction.field, threshold));
            let answer = ShadowAnswer { value: prediction.value, confidence: prediction.confidence, answered: prediction.answered };
            (prediction.field, answer)
        };
        Ok(predictions.into_iter().map(answer).collect())
    }
}
