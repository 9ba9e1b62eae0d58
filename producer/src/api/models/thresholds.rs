//! Thresholds of a published version: shows them, and changes their target accuracy without training.

use std::collections::HashMap;

use aprendiz_evaluation::{TargetRow, target_table};
use aprendiz_runs::{
    ModelVersion, ModelVersionId, ThresholdChange, ThresholdEvent, change_thresholds, list_latest_thresholds, list_threshold_events,
    record_audit,
};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::models::field_target::FieldTarget;
use crate::api::models::version::{find_model_version, require_model};
use crate::api::models::version_scores::VersionScores;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// The thresholds of a version.
#[derive(Debug, Serialize, ToSchema)]
struct VersionThresholds {
    /// Name of the model.
    model: String,
    /// Number of the version.
    number: i32,
    /// Number of the latest change; 0 = the thresholds are those of the published files.
    revision: i32,
    /// One entry per field, by name.
    fields: Vec<FieldThresholds>,
    /// All changes, oldest first.
    history: Vec<ThresholdEvent>,
}

/// The thresholds of a field.
#[derive(Debug, Serialize, ToSchema)]
struct FieldThresholds {
    /// The field.
    field: String,
    /// As published with the version.
    original: FieldTarget,
    /// As predictions use it now.
    current: FieldTarget,
    /// What the field answers at several targets; empty if the version was published without scores of unseen examples.
    targets: Vec<FieldTarget>,
}

/// A change of the target accuracy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeRequest {
    /// Target accuracy, between 0 and 1, exclusive.
    #[schema(exclusive_minimum = 0, exclusive_maximum = 1)]
    target: f64,
    /// The fields to change; default: all fields of the version.
    #[schema(min_items = 1)]
    fields: Option<Vec<String>>,
    /// The revision that the client has seen: the change is rejected if it is not the latest one.
    #[schema(minimum = 0)]
    revision: i32,
}

/// Shows the thresholds of a version, what each field answers at other targets, and all changes
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}/thresholds", tag = "models",
    params(("name" = String, Path), ("number" = i32, Path)),
    responses(
        (status = 200, description = "The thresholds", body = VersionThresholds),
        (status = 404, description = "Version not found", body = Problem),
        (status = 410, description = "The files of the version were deleted", body = Problem),
        (status = 422, description = "The version is an encoder", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath((name, number)): ApiPath<(String, i32)>,
) -> Result<Json<VersionThresholds>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let (version, events) = {
        let mut conn = state.database.read().await?;
        let version = find_model_version(&mut conn, &name, Some(number)).await?;
        let events = list_threshold_events(&mut conn, version.id).await?;
        (version, events)
    };
    let model = VersionScores::load(&state.store, &version).await?;
    Ok(Json(view(&version, &model, events)))
}

/// Changes the target accuracy of fields
///
/// The thresholds are chosen from the scores of unseen examples that were stored with the version, as after its training. Predictions use them at
/// once; the files of the version stay as they were published.
#[utoipa::path(
    put, path = "/v1/models/{name}/versions/{number}/thresholds", tag = "models",
    params(("name" = String, Path), ("number" = i32, Path)),
    request_body = ChangeRequest,
    responses(
        (status = 200, description = "The thresholds after the change", body = VersionThresholds),
        (status = 404, description = "Version not found", body = Problem),
        (status = 410, description = "The files of the version were deleted", body = Problem),
        (status = 409, description = "`stale_revision`: another request changed the thresholds meanwhile", body = Problem),
        (status = 422, description = "Invalid target, unknown field, or the version has no scores of unseen examples", body = Problem),
    ),
)]
async fn change(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, number)): ApiPath<(String, i32)>,
    body: JsonBody<ChangeRequest>,
) -> Result<Json<VersionThresholds>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let ChangeRequest { target, fields, revision } = body.value;
    if !(target > 0.0 && target < 1.0) {
        return Err(ApiError::unprocessable("invalid_body", format!("target must be between 0 and 1, exclusive, not {target}")));
    }
    let version = find_model_version(&mut *state.database.read().await?, &name, Some(number)).await?;
    let model = VersionScores::load(&state.store, &version).await?;
    let fields = chosen_fields(&model, fields)?;

    let mut tx = state.database.begin().await?;
    let events = list_threshold_events(&mut tx, version.id).await?;
    let seen = latest_revision(&events);
    if seen != revision {
        return Err(stale(&version, seen, revision));
    }
    let current = current_thresholds(&model, &events);
    let changes: Vec<ThresholdChange> = fields
        .into_iter()
        .map(|field| {
            let curve = model.score_curve(&field).ok_or_else(|| without_scores(&version, &field))?;
            let from = current.get(&field).copied().unwrap_or((model.config.target_accuracy, None));
            Ok(ThresholdChange { from, to: (target, TargetRow::new(curve, target).threshold.value()), field })
        })
        .collect::<Result<_, ApiError>>()?;
    if let Err(latest) = change_thresholds(&mut tx, version.id, revision, &actor.name, &changes).await? {
        return Err(stale(&version, latest, revision));
    }
    let details = json!({
        "number": number, "revision": revision + 1, "target": target,
        "fields": changes.iter().map(|change| json!({
            "field": change.field, "from_target": change.from.0, "from_threshold": change.from.1, "threshold": change.to.1,
        })).collect::<Vec<_>>(),
    });
    record_audit(&mut tx, &actor.name, "model.thresholds", &name, &details).await?;
    let events = list_threshold_events(&mut tx, version.id).await?;
    tx.commit().await?;
    Ok(Json(view(&version, &model, events)))
}

fn latest_revision(events: &[ThresholdEvent]) -> i32 {
    events.last().map_or(0, |event| event.revision)
}

fn stale(version: &ModelVersion, latest: i32, revision: i32) -> ApiError {
    let detail = format!(
        "the thresholds of model `{}` version {} are at revision {latest}, not {revision}: read them again and repeat the change",
        version.model, version.number
    );
    ApiError::conflict("stale_revision", detail)
}

/// The requested fields, each once, or all fields of the model.
fn chosen_fields(model: &VersionScores, requested: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let all = || model.config.fields.iter().map(|field| field.name.clone());
    let Some(mut fields) = requested else { return Ok(all().collect()) };
    fields.sort_unstable();
    fields.dedup();
    if fields.is_empty() {
        return Err(ApiError::unprocessable("invalid_body", "fields is empty: name at least one field, or leave the key out for all"));
    }
    match fields.iter().find(|field| model.field(field).is_none()) {
        Some(unknown) => {
            let known: Vec<String> = all().collect();
            Err(ApiError::unprocessable("unknown_field", format!("the model has no field `{unknown}`: it has {}", known.join(", "))))
        }
        None => Ok(fields),
    }
}

fn without_scores(version: &ModelVersion, field: &str) -> ApiError {
    let detail = format!(
        "model `{}` version {} was published without scores of unseen examples of `{field}`: train it again with the target accuracy",
        version.model, version.number
    );
    ApiError::unprocessable("no_scores", detail)
}

/// Target and threshold of every field after all changes.
fn current_thresholds(model: &VersionScores, events: &[ThresholdEvent]) -> HashMap<String, (f64, Option<f64>)> {
    let original = model.config.fields.iter().map(|field| (field.name.clone(), (model.config.target_accuracy, field.threshold)));
    original.chain(events.iter().map(|event| (event.field.clone(), (event.target, event.threshold)))).collect()
}

fn view(version: &ModelVersion, model: &VersionScores, history: Vec<ThresholdEvent>) -> VersionThresholds {
    let current = current_thresholds(model, &history);
    let published = model.config.target_accuracy;
    let fields = model.config.fields.iter().map(|field| {
        let describe = |target: f64, threshold: Option<f64>| match model.score_curve(&field.name) {
            Some(curve) => FieldTarget::from(&TargetRow::new(curve, target)).with_threshold(threshold),
            None => FieldTarget::without_scores(target, threshold),
        };
        let (target, threshold) = current.get(&field.name).copied().unwrap_or((published, field.threshold));
        let targets = model.score_curve(&field.name).map(|curve| target_table(curve, published)).unwrap_or_default();
        FieldThresholds {
            field: field.name.clone(),
            original: describe(published, field.threshold),
            current: describe(target, threshold),
            targets: targets.iter().map(FieldTarget::from).collect(),
        }
    });
    VersionThresholds {
        model: version.model.clone(),
        number: version.number,
        revision: latest_revision(&history),
        fields: fields.collect(),
        history,
    }
}

/// The threshold of a field that predictions use: the published one, unless `changed` has another one since.
pub(super) fn current_threshold(changed: &HashMap<String, Option<f64>>, field: &str, published: Option<f64>) -> Option<f64> {
    changed.get(field).copied().unwrap_or(published)
}

/// Thresholds that were changed since the version was published, by field.
pub(super) async fn changed_thresholds(conn: &mut PgConnection, version: ModelVersionId) -> Result<HashMap<String, Option<f64>>, ApiError> {
    let latest = list_latest_thresholds(conn, version).await?;
    Ok(latest.into_iter().map(|changed| (changed.field, changed.threshold)).collect())
}
