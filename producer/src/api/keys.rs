//! API keys: that of the request, and for admins all of them.

use aprendiz_db::Scope;
use aprendiz_runs::{
    ApiKey, ApiKeyGrant, Role, check_key_name, create_api_key, get_api_key, list_api_keys, revoke_api_key, revoke_api_key_but_the_last,
};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::{Admin, CurrentKey};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery, JsonBody};
use crate::api::http::operation::routes;
use crate::api::state::AppState;

/// Minimum time until the end of a new key.
const MIN_LIFETIME: TimeDelta = TimeDelta::minutes(1);

/// Maximum number of projects of a key, as in the database.
const MAX_PROJECTS: usize = 1000;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(current)).routes(routes!(list, create)).routes(routes!(revoke))
}

/// Shows the API key of the request: its name, role and end
#[utoipa::path(
    get, path = "/v1/keys/current", tag = "operations",
    responses((status = 200, description = "The key, without its secret", body = ApiKey)),
)]
async fn current(CurrentKey(key): CurrentKey) -> Result<Json<ApiKey>, ApiError> {
    Ok(Json(key))
}

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKeys {
    /// Newest first, with the revoked and expired ones.
    items: Vec<ApiKey>,
}

/// Lists all API keys and identities without their secrets, newest first
#[utoipa::path(
    get, path = "/v1/keys", tag = "operations",
    responses((status = 200, description = "The keys", body = ApiKeys)),
)]
async fn list(State(state): State<AppState>, _: Admin) -> Result<Json<ApiKeys>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(ApiKeys { items: list_api_keys(&mut conn).await? }))
}

/// A key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateApiKey {
    /// Name of its owner, 1 to 100 characters; no two active keys have the same name
    name: String,
    /// What the key may do
    role: Role,
    /// Projects that the key is limited to; null = all projects
    #[serde(default)]
    projects: Option<Vec<String>>,
    /// When the key ends; null = it does not
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedApiKey {
    /// Id of the key.
    id: Uuid,
    /// The secret, which is shown only in this response.
    key: String,
}

/// Creates an API key, and shows its secret once
#[utoipa::path(
    post, path = "/v1/keys", tag = "operations", request_body = CreateApiKey,
    responses(
        (status = 201, description = "The key with its secret", body = CreatedApiKey),
        (status = 409, description = "`key_name_taken`: an active key has the name", body = Problem),
        (status = 422, description = "`invalid_key`: the name, a project or the end is not valid", body = Problem),
    ),
)]
async fn create(State(state): State<AppState>, Admin(actor): Admin, body: JsonBody<CreateApiKey>) -> Result<Response, ApiError> {
    let invalid = |reason: String| ApiError::unprocessable("invalid_key", reason);
    let CreateApiKey { name, role, projects, expires_at } = body.value;
    let name = check_key_name(&name).map_err(|reason| invalid(format!("name: {reason}")))?;
    // later than the clock of the database can differ from this one
    if expires_at.is_some_and(|at| at <= Utc::now() + MIN_LIFETIME) {
        return Err(invalid("expires_at: it must be at least a minute away".to_owned()));
    }
    let scope = Scope::new(projects.map(check_projects).transpose().map_err(invalid)?);
    let mut tx = state.database.begin().await?;
    let created = create_api_key(&mut tx, ApiKeyGrant { name, role, scope: &scope, expires_at }, &actor.name).await?;
    tx.commit().await?;
    let mut response = (StatusCode::CREATED, Json(CreatedApiKey { id: created.id, key: created.secret })).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn check_projects(mut projects: Vec<String>) -> Result<Vec<String>, String> {
    let is_valid = |project: &String| (1..=200).contains(&project.chars().count()) && !project.contains('\0');
    if projects.is_empty() || projects.len() > MAX_PROJECTS {
        return Err(format!("projects: expected 1 to {MAX_PROJECTS} of them, or null for all projects"));
    }
    if let Some(invalid) = projects.iter().find(|project| !is_valid(project)) {
        return Err(format!("projects: `{invalid}` has not 1 to 200 characters"));
    }
    projects.sort_unstable();
    projects.dedup();
    Ok(projects)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RevokeQuery {
    /// Revokes the key even if it is the only one that can manage keys
    #[serde(default)]
    force: bool,
}

/// Revokes an API key, or locks an identity out, at once
///
/// Its sessions end. A key that is revoked already stays as it is.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "operations", params(("id" = Uuid, Path), RevokeQuery),
    responses(
        (status = 204, description = "The key is revoked"),
        (status = 404, description = "Key not found", body = Problem),
        (status = 409, description = "`last_admin_key`: no key could manage keys any more; `force` revokes it", body = Problem),
    ),
)]
async fn revoke(
    State(state): State<AppState>,
    Admin(actor): Admin,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<RevokeQuery>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.database.begin().await?;
    // people who sign in with the provider can be admins without any key
    let is_safe = query.force || state.oidc.as_ref().is_some_and(|provider| provider.settings().roles.gives_admin());
    let revoked = if is_safe {
        revoke_api_key(&mut tx, id, &actor.name).await?
    } else {
        revoke_api_key_but_the_last(&mut tx, id, &actor.name).await?
    };
    if !revoked && get_api_key(&mut tx, id).await?.is_none() {
        return Err(ApiError::not_found(format!("API key {id} not found: `GET /v1/keys` lists all keys")));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
