//! Labelled fields: list, show, declare.

use annotations::fields::{Field, FieldDefinition, FieldVersion, declare, get, history as versions_of, list as list_fields};
use annotations::{NormalizedValues, normalize_values};
use axum::Json;
use axum::extract::State;
use runs::record_audit;
use sqlx::Acquire as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Reviewer, Viewer};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{JsonBody, Segments};
use crate::api::page::Page;
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, put)).routes(routes!(history)).routes(routes!(normalize))
}

/// Lists all fields, by name
#[utoipa::path(
    get, path = "/v1/fields", tag = "fields", security(("api_key" = ["viewer"])),
    responses((status = 200, description = "All fields", body = Page<Field>)),
)]
async fn list(State(state): State<AppState>, _: Viewer) -> Result<Json<Page<Field>>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    Ok(Json(Page { items: list_fields(&mut conn).await?, next_cursor: None }))
}

/// Shows a field
#[utoipa::path(
    get, path = "/v1/fields/{name}", tag = "fields", security(("api_key" = ["viewer"])), params(("name" = String, Path)),
    responses((status = 200, description = "The field", body = Field), (status = 404, description = "No such field", body = Problem)),
)]
async fn show(State(state): State<AppState>, _: Viewer, Segments(name): Segments<String>) -> Result<Json<Field>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    get(&mut conn, &name).await?.map(Json).ok_or_else(|| ApiError::not_found(format!("no field `{name}`")))
}

/// Lists every version of the definition of a field, the current one last
#[utoipa::path(
    get, path = "/v1/fields/{name}/history", tag = "fields", security(("api_key" = ["viewer"])), params(("name" = String, Path)),
    responses((status = 200, description = "All versions", body = Page<FieldVersion>), (status = 404, description = "No such field", body = Problem)),
)]
async fn history(State(state): State<AppState>, _: Viewer, Segments(name): Segments<String>) -> Result<Json<Page<FieldVersion>>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let items = versions_of(&mut conn, &name).await?;
    if items.is_empty() && get(&mut conn, &name).await?.is_none() {
        return Err(ApiError::not_found(format!("no field `{name}`")));
    }
    Ok(Json(Page { items, next_cursor: None }))
}

/// Declares a field
///
/// Creates it or replaces its definition, which is a new version of it; the same definition again changes nothing. Values that are
/// there already are not touched, and snapshots of earlier positions go by the definition of their time.
#[utoipa::path(
    put, path = "/v1/fields/{name}", tag = "fields", security(("api_key" = ["reviewer"])), params(("name" = String, Path)),
    request_body = FieldDefinition,
    responses((status = 200, description = "The field", body = Field), (status = 422, description = "The definition cannot be", body = Problem)),
)]
async fn put(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Segments(name): Segments<String>,
    body: JsonBody<FieldDefinition>,
) -> Result<Json<Field>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let field = declare(&mut tx, &name, &body.value, &actor.0).await?;
    let definition = serde_json::to_value(&body.value).map_err(ApiError::internal)?;
    record_audit(&mut tx, &actor.0, "field.declare", &name, &definition).await?;
    tx.commit().await?;
    Ok(Json(field))
}

/// Writes the values of a field that are there as its normalisation says
///
/// Each review whose value is written otherwise becomes an event of the key that asks; what was said first stays in the history. The same
/// again changes nothing.
#[utoipa::path(
    post, path = "/v1/fields/{name}/normalize", tag = "fields", security(("api_key" = ["reviewer"])), params(("name" = String, Path)),
    responses(
        (status = 200, description = "What changed", body = NormalizedValues),
        (status = 404, description = "No such field", body = Problem),
        (status = 422, description = "The field has no normalisation", body = Problem),
    ),
)]
async fn normalize(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Segments(name): Segments<String>,
) -> Result<Json<NormalizedValues>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    if get(&mut tx, &name).await?.is_none() {
        return Err(ApiError::not_found(format!("no field `{name}`")));
    }
    let done = normalize_values(&mut tx, &name, &actor.0).await?;
    if done.values > 0 {
        record_audit(&mut tx, &actor.0, "field.normalize", &name, &serde_json::to_value(done).map_err(ApiError::internal)?).await?;
    }
    tx.commit().await?;
    Ok(Json(done))
}
