//! The session of a browser: `POST`, `GET` and `DELETE /v1/session`.

use aprendiz_runs::{ApiKey, Role, create_web_session, end_web_session};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::admission::Admission;
use crate::api::http::auth::browser::{Browser, CurrentSession};
use crate::api::http::auth::csrf::csrf_token;
use crate::api::http::auth::identity::authenticate_key;
use crate::api::http::error::ApiError;
use crate::api::http::extract::JsonBody;
use crate::api::http::operation::routes;
use crate::api::http::request_body::limit_body;
use crate::api::state::AppState;

/// Size limit of a sign-in, which anybody may send, in bytes.
const MAX_BODY_BYTES: usize = 4 << 10;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(sign_in, show, sign_out)).layer(limit_body(MAX_BODY_BYTES))
}

/// A sign-in. Not `Debug`, because it contains a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// The API key, `apz_...`.
    api_key: String,
}

/// Who a session belongs to.
#[derive(Debug, Serialize, ToSchema)]
struct SessionActor {
    /// Id of the API key.
    id: Uuid,
    /// Name of the API key, recorded as the actor of its requests.
    name: String,
    /// What it may do.
    role: Role,
}

/// A session, for the page that uses it.
#[derive(Debug, Serialize, ToSchema)]
struct SessionState {
    /// Who is signed in.
    actor: SessionActor,
    /// Value of `X-CSRF-Token` for requests that change something.
    csrf_token: String,
    /// When the session ends even if it is used.
    expires_at: DateTime<Utc>,
}

impl SessionState {
    fn new(key: ApiKey, csrf_token: String, expires_at: DateTime<Utc>) -> Self {
        Self { actor: SessionActor { id: key.id, name: key.name, role: key.role }, csrf_token, expires_at }
    }
}

/// Signs a browser in with an API key
///
/// The response sets a cookie, which every route accepts in place of the key. Requests that change something also need the `csrf_token` as
/// `X-CSRF-Token`. An earlier session of the same browser ends.
#[utoipa::path(
    post, path = "/v1/session", tag = "sessions", request_body = SignIn,
    responses(
        (
            status = 201, description = "The session", body = SessionState,
            headers(("Set-Cookie" = String, description = "The cookie of the session")),
        ),
    ),
)]
async fn sign_in(
    State(state): State<AppState>,
    browser: Browser,
    admission: Admission,
    body: JsonBody<SignIn>,
) -> Result<Response, ApiError> {
    let key = authenticate_key(&state, browser.address, body.value.api_key.trim()).await?;
    admission.assign_key(key.id)?;
    let lifetime = state.config.sessions.lifetime;
    let mut tx = state.database.begin().await?;
    let revoked = || ApiError::unauthorized("the API key was revoked meanwhile");
    let created = create_web_session(&mut tx, &key, &browser.new_session(lifetime)).await?.ok_or_else(revoked)?;
    tx.commit().await?;
    state.auth_failures.record_success(&created.token);
    let headers = [(header::SET_COOKIE, browser.cookie.set(&created.token, lifetime)), (header::CACHE_CONTROL, NO_STORE)];
    let body = SessionState::new(key, csrf_token(&created.token), created.expires_at);
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

/// Shows the session of the request
#[utoipa::path(
    get, path = "/v1/session", tag = "sessions",
    responses((status = 200, description = "The session", body = SessionState)),
)]
async fn show(CurrentSession(identity): CurrentSession) -> Result<Response, ApiError> {
    let body = SessionState::new(identity.session.key, identity.csrf_token, identity.session.expires_at);
    Ok(([(header::CACHE_CONTROL, NO_STORE)], Json(body)).into_response())
}

/// Signs out: ends the session of the request and removes the cookie
#[utoipa::path(
    delete, path = "/v1/session", tag = "sessions",
    responses((status = 204, description = "The session has ended", headers(("Set-Cookie" = String, description = "Removes the cookie")))),
)]
async fn sign_out(State(state): State<AppState>, CurrentSession(identity): CurrentSession) -> Result<Response, ApiError> {
    let mut tx = state.database.begin().await?;
    // a session that another request ended meanwhile is signed out as well
    end_web_session(&mut tx, identity.session.id, &identity.session.key.name).await?;
    tx.commit().await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, identity.cookie.clear())]).into_response())
}

/// The body contains the token against forged requests.
const NO_STORE: header::HeaderValue = header::HeaderValue::from_static("no-store");
