//! The browser behind a request about sessions: its extractors, and the caching of what it may see.

use std::net::IpAddr;
use std::time::Duration;

use aprendiz_runs::{AuthenticatedSession, NewWebSession};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use crate::api::http::admission::Admission;
use crate::api::http::auth::cookie::SessionCookie;
use crate::api::http::auth::csrf;
use crate::api::http::auth::identity::{Identity, SessionIdentity, client_address, has_key_header, identify};
use crate::api::http::auth::schemes::{COOKIE_SCHEME, add_auth_problems};
use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_problem};
use crate::api::state::AppState;

/// A browser that signs in.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    pub(crate) cookie: SessionCookie,
    /// Token of the session that it has already.
    pub(crate) token: Option<String>,
}

impl Browser {
    /// The browser of any request, also of one that a page of another origin sends.
    pub(in crate::api::http::auth) fn read(parts: &Parts, state: &AppState) -> Self {
        let cookie = SessionCookie::from_request(&parts.headers, state.config.sessions.cookie);
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            address: client_address(parts, state),
            user_agent: user_agent.map(str::to_owned),
            cookie,
            token: cookie.token(&parts.headers).map(str::to_owned),
        }
    }

    /// A session of this browser, in place of the one that it has already.
    pub(crate) fn new_session(&self, lifetime: Duration) -> NewWebSession<'_> {
        NewWebSession {
            user_agent: self.user_agent.as_deref(),
            address: self.address.map(|address| address.to_string()),
            lifetime,
            replaced: self.token.as_deref(),
        }
    }
}

/// A page of another origin is rejected: it would sign the browser in as somebody else.
impl FromRequestParts<AppState> for Browser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let browser = Self::read(parts, state);
        csrf::check_origin(&parts.headers, browser.cookie)?;
        Ok(browser)
    }
}

impl Describe for Browser {
    fn describe(operation: &mut Operation) {
        add_problem(operation, StatusCode::FORBIDDEN, "`csrf`: the request comes from a page of another origin");
        add_auth_problems(operation);
    }
}

/// The session of the request. An API key in a header is none.
#[derive(Debug)]
pub(crate) struct CurrentSession(pub(crate) SessionIdentity);

impl FromRequestParts<AppState> for CurrentSession {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Identity::Session(identity) = identify(parts, state).await? else {
            return Err(ApiError::unauthorized("this request has an API key and no session: sign in with `POST /v1/session`"));
        };
        Admission::from_extensions(&parts.extensions)?.assign_key(identity.session.key.id)?;
        Ok(Self(*identity))
    }
}

impl Describe for CurrentSession {
    fn describe(operation: &mut Operation) {
        operation.security = Some(vec![SecurityRequirement::new(COOKIE_SCHEME, ["viewer"])]);
        add_auth_problems(operation);
    }
}

/// The session of the request, if it has one, for handlers that take any key as well.
#[derive(Debug)]
pub(crate) struct OptionalSession(pub(crate) Option<AuthenticatedSession>);

impl FromRequestParts<AppState> for OptionalSession {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if has_key_header(&parts.headers) {
            return Ok(Self(None));
        }
        match identify(parts, state).await? {
            Identity::Session(identity) => Ok(Self(Some(identity.session))),
            Identity::Key(_) => Ok(Self(None)),
        }
    }
}

/// The extractor of the key describes the rejections.
impl Describe for OptionalSession {
    fn describe(_: &mut Operation) {}
}

/// Keeps shared caches from giving the response to a session to others. Caches know this rule for `Authorization` only.
pub(crate) async fn keep_private(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let cookie = SessionCookie::from_request(request.headers(), state.config.sessions.cookie);
    let has_route = request.extensions().get::<MatchedPath>().is_some();
    let by_session = has_route && !has_key_header(request.headers()) && cookie.token(request.headers()).is_some();
    let mut response = next.run(request).await;
    if by_session {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("cookie"));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    }
    response
}
