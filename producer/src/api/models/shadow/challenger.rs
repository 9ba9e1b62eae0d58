//! A loaded challenger: its model and its thresholds.

use std::collections::HashMap;
use std::sync::Arc;

use aprendiz_artifacts::Store;
use aprendiz_db::Database;
use aprendiz_inference::{Model, NgramCounter};
use aprendiz_runs::{RunsError, ShadowAnswer};

use crate::api::http::compute::{Compute, SpareCore};
use crate::api::http::error::ApiError;
use crate::api::models::model_cache::ModelCache;
use crate::api::models::shadow::queue::ShadowAnswers;
use crate::api::models::thresholds::{changed_thresholds, current_threshold};
use crate::api::models::version::{find_model_version, load_version_model};

/// What comparing challengers needs; cheap to clone.
#[derive(Clone)]
pub(crate) struct ShadowDeps {
    pub(crate) database: Database,
    pub(crate) store: Store,
    pub(crate) models: Arc<ModelCache>,
    pub(crate) compute: Compute,
}

/// A version that predicts beside the champion.
#[derive(Clone)]
pub(crate) struct Challenger {
    model: Arc<Model>,
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
        Ok(Self { model: load_version_model(&deps.models, &deps.store, &version).await?, thresholds })
    }

    /// Predicts on a core that no request needs.
    pub(crate) async fn answer(&self, core: SpareCore, text: String) -> Result<ShadowAnswers, ApiError> {
        let challenger = self.clone();
        let computing = core.run(move || {
            let predictions = challenger.model.predict_with(&mut NgramCounter::new(), &text).into_iter();
            let answer = predictions.map(|mut prediction| {
                prediction.decide(current_threshold(&challenger.model, &challenger.thresholds, &prediction.field));
                let answer = ShadowAnswer { value: prediction.value, confidence: prediction.confidence, answered: prediction.answered };
                (prediction.field, answer)
            });
            answer.collect()
        });
        Ok(computing.await?.0)
    }
}
