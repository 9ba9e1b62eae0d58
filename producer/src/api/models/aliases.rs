//! Aliases of a model: which version answers, its history, promotion and rollback.

use aprendiz_annotation_types::deserialize_time;
use aprendiz_runs::{Alias, AliasEvent, AliasHistoryPosition, find_alias, list_alias_events, list_aliases, remove_alias, roll_back};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery, JsonBody};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_json_cursor, encode_json_cursor};
use crate::api::http::precondition::{Precondition, with_etag};
use crate::api::models::revision::{checked_reason, expected_revision};
use crate::api::models::version::{find_model_version, require_model};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, remove)).routes(routes!(history)).routes(routes!(rollback))
}

/// Lists the aliases of a model, by name
#[utoipa::path(
    get, path = "/v1/models/{name}/aliases", tag = "models", params(("name" = String, Path)),
    responses(
        (status = 200, description = "All aliases", body = Page<Alias>),
        (status = 404, description = "Model not found", body = Problem),
    ),
)]
async fn list(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Page<Alias>>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let mut conn = state.database.read().await?;
    let items = list_aliases(&mut conn, &name).await?;
    if items.is_empty() {
        find_model_version(&mut conn, &name, None).await?;
    }
    Ok(Json(Page { items, next_cursor: None }))
}

/// Shows which version an alias names
#[utoipa::path(
    get, path = "/v1/models/{name}/aliases/{alias}", tag = "models", params(("name" = String, Path), ("alias" = String, Path)),
    responses(
        (status = 200, description = "The alias; its revision is the ETag", body = Alias, headers(("ETag" = String))),
        (status = 404, description = "Model or alias not found", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath((name, alias)): ApiPath<(String, String)>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let found = find_alias(&mut *state.database.read().await?, &name, &alias).await?;
    let found = found.ok_or_else(|| no_alias(&name, &alias))?;
    Ok(with_etag(found.revision, Json(found)))
}

pub(super) fn no_alias(model: &str, alias: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_alias", format!("model `{model}` has no alias `{alias}`"))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RemoveQuery {
    /// Why the alias is removed
    reason: Option<String>,
}

/// Removes an alias
#[utoipa::path(
    delete, path = "/v1/models/{name}/aliases/{alias}", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path), RemoveQuery),
    responses(
        (status = 204, description = "The alias names no version any more"),
        (status = 404, description = "Model or alias not found", body = Problem),
        (status = 412, description = "The alias is not that of If-Match", body = Problem),
    ),
)]
async fn remove(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, alias)): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<RemoveQuery>,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let reason = checked_reason(query.reason)?;
    let mut tx = state.database.begin().await?;
    remove_alias(&mut tx, &name, &alias, expected_revision(precondition), &actor.name, reason.as_deref()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// Only entries up to and including this time: `to_number` of the first one is the version that the alias named then
    #[serde(default, deserialize_with = "deserialize_time")]
    at: Option<DateTime<Utc>>,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the changes of an alias, and of the thresholds of the version that it named, newest first
#[utoipa::path(
    get, path = "/v1/models/{name}/aliases/{alias}/history", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path), HistoryQuery),
    responses(
        (status = 200, description = "A page of changes", body = Page<AliasEvent>),
        (status = 404, description = "Model not found", body = Problem),
    ),
)]
async fn history(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath((name, alias)): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<HistoryQuery>,
) -> Result<Json<Page<AliasEvent>>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let limit = checked_limit(query.limit)?;
    let before: Option<AliasHistoryPosition> = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let mut conn = state.database.read().await?;
    let events = list_alias_events(&mut conn, &name, &alias, query.at, before, limit + 1).await?;
    if events.is_empty() {
        find_model_version(&mut conn, &name, None).await?;
    }
    Ok(Json(Page::from_items(events, limit, |event| encode_json_cursor(&(event.id, event.threshold_revision)))))
}

/// A rollback.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackRequest {
    /// Why.
    #[serde(default)]
    reason: Option<String>,
    /// Version to go back to, which the alias named before; default: the version before the current one was promoted.
    #[serde(default)]
    to: Option<i32>,
}

/// Sets an alias back to its previous version
///
/// One transaction in the database: no gate is asked, and the object store is not needed.
#[utoipa::path(
    post, path = "/v1/models/{name}/aliases/{alias}/rollback", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path)),
    request_body = RollbackRequest,
    responses(
        (status = 200, description = "The alias; its revision is the ETag", body = Alias, headers(("ETag" = String))),
        (status = 404, description = "Model or alias not found", body = Problem),
        (status = 409, description = "There is no earlier version, or it is retired", body = Problem),
        (status = 412, description = "The alias is not that of If-Match", body = Problem),
    ),
)]
async fn rollback(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, alias)): ApiPath<(String, String)>,
    precondition: Precondition,
    body: JsonBody<RollbackRequest>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let reason = checked_reason(body.value.reason)?;
    let revision = expected_revision(precondition);
    let mut tx = state.database.begin().await?;
    let alias = roll_back(&mut tx, &name, &alias, body.value.to, revision, &actor.name, reason.as_deref()).await?;
    tx.commit().await?;
    Ok(with_etag(alias.revision, Json(alias)))
}
