//! The sides of a comparison: what they are, and the predictions that take part.

use aprendiz_db::Scope;
use std::collections::BTreeMap;

use aprendiz_runs::{ModelVersion, StoredEvaluation, get_dataset, list_evaluations};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::http::error::ApiError;
use crate::api::models::comparison::deps::ComparisonDeps;
use crate::api::models::comparison::evaluations::{LISTED_EVALUATIONS, add_evaluations, load_evaluation};
use crate::api::models::comparison::examples::{PredictionsByField, TestPredictions, load, load_config};
use crate::api::models::comparison::exclusions::{ComparedSideName, ComparisonExclusion};
use crate::api::models::thresholds::changed_thresholds;

/// What was compared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedVersion {
    /// Name of the model.
    pub(crate) model: String,
    /// Number of the version.
    pub(crate) number: i32,
    /// The run that trained it.
    pub(crate) run_id: Uuid,
    /// The snapshot on which it was tested.
    pub(crate) dataset_id: Uuid,
    /// Canonical hash of the snapshot.
    pub(crate) dataset_hash: String,
    /// Position of the snapshot.
    pub(crate) position: i64,
    /// The evaluation run whose predictions are compared instead of those of the training; its snapshot is named then. Null otherwise.
    pub(crate) evaluation_run_id: Option<Uuid>,
    /// Splits that the model is fitted on: `measured`, whose predictions on its own test documents are compared, and `published`, which
    /// answers. Null for versions that were published before it was recorded, whose models are fitted on train.
    #[schema(value_type = Option<Object>)]
    pub(crate) final_fit: Value,
}

/// The stored predictions of the extractor, as one side of a comparison.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedExtractor {
    /// Versions of the extractor whose predictions were compared.
    pub(crate) extractor_versions: Vec<String>,
    /// Predictions that were stored later are not compared: the time of the snapshot of the version.
    pub(crate) stored_until: DateTime<Utc>,
}

/// One side of a comparison.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ComparedSide {
    /// A version of a model.
    Version(ComparedVersion),
    /// The extractor.
    Extractor(ComparedExtractor),
}

/// A version to be compared, with the predictions that take part.
pub(crate) struct ComparedRun {
    /// The version.
    pub(crate) version: ModelVersion,
    /// The evaluation whose predictions take part; `None` = those that the version was published with.
    pub(crate) evaluation: Option<StoredEvaluation>,
}

/// One side, loaded.
pub(super) struct LoadedSide {
    pub(super) described: ComparedSide,
    pub(super) predictions: TestPredictions,
    /// All evaluation runs of the side that may be among the predictions.
    pub(super) evaluations: Vec<StoredEvaluation>,
    pub(super) exclusions: Vec<ComparisonExclusion>,
}

/// The predictions that a version was published with, and those of its evaluation runs.
pub(super) async fn load_version(deps: &ComparisonDeps, side: ComparedSideName, version: &ModelVersion) -> Result<LoadedSide, ApiError> {
    let mut conn = deps.database.read().await?;
    let described = describe(&mut conn, version).await?;
    let thresholds = changed_thresholds(&mut conn, version.id).await?;
    let evaluations = list_evaluations(&mut conn, version.id, LISTED_EVALUATIONS).await?;
    drop(conn);
    let mut predictions = load(&deps.store, version, &thresholds, described.position).await?;
    let exclusions = add_evaluations(&deps.store, side, &evaluations, &thresholds, &mut predictions).await?;
    Ok(LoadedSide { described: ComparedSide::Version(described), predictions, evaluations, exclusions })
}

/// The predictions of one run only.
pub(super) async fn load_run(deps: &ComparisonDeps, run: &ComparedRun) -> Result<LoadedSide, ApiError> {
    let mut conn = deps.database.read().await?;
    let described = describe(&mut conn, &run.version).await?;
    let thresholds = changed_thresholds(&mut conn, run.version.id).await?;
    drop(conn);
    let Some(evaluation) = &run.evaluation else {
        let predictions = load(&deps.store, &run.version, &thresholds, described.position).await?;
        let described = ComparedSide::Version(described);
        return Ok(LoadedSide { described, predictions, evaluations: Vec::new(), exclusions: Vec::new() });
    };
    let config = load_config(&deps.store, &run.version).await?;
    let mut fields: PredictionsByField = config.fields.iter().map(|field| (field.name.clone(), BTreeMap::new())).collect();
    fields.extend(load_evaluation(&deps.store, evaluation, &thresholds).await?);
    let described = ComparedVersion {
        dataset_id: evaluation.dataset_id.0,
        dataset_hash: evaluation.dataset_hash.clone(),
        position: evaluation.position,
        evaluation_run_id: Some(evaluation.run_id.0),
        ..described
    };
    Ok(LoadedSide {
        described: ComparedSide::Version(described),
        predictions: TestPredictions { config, fields },
        evaluations: vec![evaluation.clone()],
        exclusions: Vec::new(),
    })
}

async fn describe(conn: &mut PgConnection, version: &ModelVersion) -> Result<ComparedVersion, ApiError> {
    Ok(describe_with_time(conn, version).await?.0)
}

/// The version, and the time of its snapshot.
pub(super) async fn describe_with_time(
    conn: &mut PgConnection,
    version: &ModelVersion,
) -> Result<(ComparedVersion, DateTime<Utc>), ApiError> {
    let dataset = get_dataset(conn, &Scope::All, version.dataset_id).await?;
    let dataset = dataset.ok_or_else(|| ApiError::internal(anyhow::anyhow!("model version {} has no dataset", version.id)))?;
    let described = ComparedVersion {
        model: version.model.clone(),
        number: version.number,
        run_id: version.run_id.0,
        dataset_id: version.dataset_id.0,
        dataset_hash: dataset.canonical_hash,
        position: dataset.position,
        evaluation_run_id: None,
        final_fit: version.card["final_fit"].clone(),
    };
    Ok((described, dataset.created_at))
}
