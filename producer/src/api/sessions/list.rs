//! All sessions of a key, and for admins of all keys: list, revoke, sign out everywhere.

use aprendiz_runs::{Role, WebSession, WebSessionFilter, end_all_web_sessions, list_web_sessions, revoke_web_session};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::CurrentKey;
use crate::api::http::auth::browser::OptionalSession;
use crate::api::http::auth::scope::refuse_limited;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_cursor, encode_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, end_all)).routes(routes!(revoke))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Lists the sessions of all API keys; requires the role admin
    #[serde(default)]
    all: bool,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the sessions of this API key, newest first
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", params(ListQuery),
    responses(
        (status = 200, description = "A page of sessions", body = Page<WebSession>),
        (status = 403, description = "`forbidden`: `all` requires the role admin; `scope`: it requires a key for all projects", body = Problem),
    ),
)]
async fn list(
    State(state): State<AppState>,
    CurrentKey(key): CurrentKey,
    OptionalSession(session): OptionalSession,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<WebSession>>, ApiError> {
    if query.all && key.role < Role::Admin {
        let detail = format!("`all=true` requires the role admin; API key `{}` has the role {}", key.name, key.role);
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    if query.all {
        refuse_limited(&key)?;
    }
    let limit = checked_limit(query.limit)?;
    let filter = WebSessionFilter {
        key_id: (!query.all).then_some(key.id),
        current: session.map(|session| session.id),
        after: query.cursor.as_deref().map(decode_cursor).transpose()?,
    };
    let mut conn = state.database.read().await?;
    let sessions = list_web_sessions(&mut conn, &filter, state.config.sessions.idle, limit + 1).await?;
    Ok(Json(Page::from_items(sessions, limit, |session| encode_cursor(session.created_at, session.id))))
}

/// How many sessions have ended.
#[derive(Debug, Serialize, ToSchema)]
struct EndedSessions {
    /// Number of sessions.
    ended: u64,
}

/// Signs this API key out everywhere
///
/// Ends all its sessions, that of the request included. The key itself stays valid.
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "sessions",
    responses((status = 200, description = "The number of sessions that have ended", body = EndedSessions)),
)]
async fn end_all(State(state): State<AppState>, CurrentKey(key): CurrentKey) -> Result<Response, ApiError> {
    let mut tx = state.database.begin().await?;
    let ended = end_all_web_sessions(&mut tx, &key).await?;
    tx.commit().await?;
    Ok(Json(EndedSessions { ended }).into_response())
}

/// Revokes a session of this API key, or as an admin any session
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = Uuid, Path)),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 404, description = "Session not found, or it belongs to another API key", body = Problem),
    ),
)]
async fn revoke(State(state): State<AppState>, CurrentKey(key): CurrentKey, ApiPath(id): ApiPath<Uuid>) -> Result<Response, ApiError> {
    let owner = (key.role < Role::Admin || key.projects.is_some()).then_some(key.id);
    let mut tx = state.database.begin().await?;
    if !revoke_web_session(&mut tx, id, owner, &key.name).await? {
        return Err(ApiError::not_found(format!("session {id} not found: it has ended, or belongs to another API key")));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
