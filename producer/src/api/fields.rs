//! Endpoints for labelled fields: list, show, declare, normalize.

use aprendiz_annotations::fields::{
    Field, FieldDefinition, FieldVersion, declare, get, history as list_field_versions, list as list_fields,
};
use aprendiz_annotations::{NormalizedValues, normalize_values};
use aprendiz_db::Scope;
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Reviewer, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery, JsonBody};
use crate::api::http::operation::routes;
use crate::api::http::page::Page;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, put)).routes(routes!(history)).routes(routes!(normalize))
}

/// Lists all fields, by name
#[utoipa::path(
    get, path = "/v1/fields", tag = "fields",
    responses((status = 200, description = "All fields", body = Page<Field>)),
)]
async fn list(State(state): State<AppState>, InScope(Viewer, scope): InScope<Viewer>) -> Result<Json<Page<Field>>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(Page { items: list_fields(&mut conn, &scope).await?, next_cursor: None }))
}

/// Shows a field
#[utoipa::path(
    get, path = "/v1/fields/{name}", tag = "fields", params(("name" = String, Path)),
    responses((status = 200, description = "The field", body = Field), (status = 404, description = "Field not found", body = Problem)),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Field>, ApiError> {
    let mut conn = state.database.read().await?;
    get(&mut conn, &scope, &name).await?.map(Json).ok_or_else(|| field_not_found(&name))
}

/// Lists all versions of the definition of a field, the current one last
#[utoipa::path(
    get, path = "/v1/fields/{name}/history", tag = "fields", params(("name" = String, Path)),
    responses(
        (status = 200, description = "All versions", body = Page<FieldVersion>),
        (status = 404, description = "Field not found", body = Problem),
    ),
)]
async fn history(State(state): State<AppState>, _: Viewer, ApiPath(name): ApiPath<String>) -> Result<Json<Page<FieldVersion>>, ApiError> {
    let mut conn = state.database.read().await?;
    let items = list_field_versions(&mut conn, &name).await?;
    if items.is_empty() && get(&mut conn, &Scope::All, &name).await?.is_none() {
        return Err(field_not_found(&name));
    }
    Ok(Json(Page { items, next_cursor: None }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeclareQuery {
    /// Declares the field only if its definition has this version; 0 = only if it does not exist
    #[param(minimum = 0)]
    if_version: Option<u32>,
}

/// Declares a field
///
/// Creates the field or replaces its definition, which adds a version; the same definition again has no effect. Existing values stay
/// unchanged, and snapshots at earlier positions use the definition of that time.
#[utoipa::path(
    put, path = "/v1/fields/{name}", tag = "fields", params(("name" = String, Path), DeclareQuery),
    request_body = FieldDefinition,
    responses(
        (status = 200, description = "The field", body = Field),
        (status = 412, description = "`version_mismatch`: the definition does not have the version `if_version`", body = Problem),
        (status = 422, description = "Invalid definition", body = Problem),
    ),
)]
async fn put(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<DeclareQuery>,
    body: JsonBody<FieldDefinition>,
) -> Result<Json<Field>, ApiError> {
    let mut tx = state.database.begin().await?;
    let field = declare(&mut tx, &name, &body.value, query.if_version, &actor.name).await?;
    let definition = serde_json::to_value(&body.value).map_err(ApiError::internal)?;
    record_audit(&mut tx, &actor.name, "field.declare", &name, &definition).await?;
    tx.commit().await?;
    Ok(Json(field))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NormalizeQuery {
    /// Reports which values would change, and writes nothing
    #[serde(default)]
    dry_run: bool,
}

/// Normalizes the existing values of a field
///
/// Each review whose value differs from its normalized form gets a new event by the requesting API key; the original stays in the history.
/// Repeating the request has no effect.
#[utoipa::path(
    post, path = "/v1/fields/{name}/normalize", tag = "fields", params(("name" = String, Path), NormalizeQuery),
    responses(
        (status = 200, description = "Numbers of normalized values", body = NormalizedValues),
        (status = 404, description = "Field not found", body = Problem),
        (status = 422, description = "The field has no normalization", body = Problem),
    ),
)]
async fn normalize(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<NormalizeQuery>,
) -> Result<Json<NormalizedValues>, ApiError> {
    let mut tx = state.database.begin_long().await?;
    if get(&mut tx, &Scope::All, &name).await?.is_none() {
        return Err(field_not_found(&name));
    }
    let normalized = normalize_values(&mut tx, &name, &actor.name, query.dry_run).await?;
    if normalized.values > 0 && !query.dry_run {
        let NormalizedValues { values, reviews, predictions, .. } = &normalized;
        let details = json!({ "values": values, "reviews": reviews, "predictions": predictions });
        record_audit(&mut tx, &actor.name, "field.normalize", &name, &details).await?;
    }
    tx.commit().await?;
    Ok(Json(normalized))
}

fn field_not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("field `{name}` not found"))
}
