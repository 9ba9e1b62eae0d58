//! Who sends a request: an API key or a token of the provider in a header, or the session of a browser in a cookie. A header takes
//! precedence over a cookie.

use std::net::IpAddr;
use std::sync::Arc;

use aprendiz_runs::{
    ApiKey, AuthenticatedSession, IdentityClaims, RunsError, authenticate, authenticate_web_session, find_identity, register_identity,
    touch_web_session,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::api::http::auth::cookie::SessionCookie;
use crate::api::http::auth::csrf;
use crate::api::http::error::ApiError;
use crate::api::state::AppState;
use crate::connection::client::ClientConnection;
use crate::oidc::OidcError;

/// Header for clients that cannot send `Authorization`.
pub(crate) const API_KEY_HEADER: &str = "x-api-key";

/// The sender of a request.
#[derive(Debug)]
pub(crate) enum Identity {
    /// It has an API key, or a token of the provider.
    Key(ApiKey),
    /// It is a browser with a session.
    Session(Box<SessionIdentity>),
}

/// The session of a request.
#[derive(Debug)]
pub(crate) struct SessionIdentity {
    pub(crate) session: AuthenticatedSession,
    pub(crate) csrf_token: String,
    pub(crate) cookie: SessionCookie,
}

impl Identity {
    /// The key of the sender.
    pub(crate) fn into_key(self) -> ApiKey {
        match self {
            Self::Key(key) => key,
            Self::Session(identity) => identity.session.key,
        }
    }
}

/// Authenticates a request.
pub(super) async fn identify(parts: &Parts, state: &AppState) -> Result<Identity, ApiError> {
    let address = client_address(parts, state);
    if let Some(secret) = api_key_from(&parts.headers)? {
        let key = if is_token(secret) {
            authenticate_token(state, address, secret).await?
        } else {
            authenticate_key(state, address, secret).await?
        };
        return Ok(Identity::Key(key));
    }
    let cookie = SessionCookie::from_request(&parts.headers, state.config.sessions.cookie);
    let Some(token) = cookie.token(&parts.headers) else {
        return Err(missing_key());
    };
    let session = authenticate_session(state, address, token).await?;
    if !csrf::is_safe(&parts.method) {
        csrf::check(&parts.headers, cookie, token)?;
    }
    if session.is_use_due {
        let mut tx = state.database.begin().await?;
        if !touch_web_session(&mut tx, session.id).await? {
            return Err(session_ended());
        }
        tx.commit().await?;
    }
    Ok(Identity::Session(Box::new(SessionIdentity { session, csrf_token: csrf::csrf_token(token), cookie })))
}

/// Finds the key of a secret. An unknown one counts as a failed authentication of the address.
pub(crate) async fn authenticate_key(state: &AppState, address: Option<IpAddr>, secret: &str) -> Result<ApiKey, ApiError> {
    check_failures(state, address, secret)?;
    let mut conn = state.database.read().await?;
    let Some(key) = authenticate(&mut conn, secret).await? else {
        if let Some(address) = address {
            state.auth_failures.record_failure(address, secret);
        }
        return Err(ApiError::unauthorized("the API key is unknown or revoked"));
    };
    drop(conn);
    state.auth_failures.record_success(secret);
    state.request_rate.count(key.id).map_err(ApiError::rate_limited)?;
    Ok(key)
}

/// Whether a secret has the form of a signed token. No API key contains a dot.
fn is_token(secret: &str) -> bool {
    secret.split('.').count() == 3
}

/// Validates a token of the provider and finds its identity, which has the role and the projects of the token. A new identity is recorded.
async fn authenticate_token(state: &AppState, address: Option<IpAddr>, token: &str) -> Result<ApiKey, ApiError> {
    check_failures(state, address, token)?;
    let failed = |detail: String| {
        if let Some(address) = address {
            state.auth_failures.record_failure(address, token);
        }
        ApiError::unauthorized(detail)
    };
    let Some(provider) = state.oidc.as_ref().filter(|provider| provider.accepts_bearer_tokens()) else {
        return Err(failed("this server accepts no tokens of a provider (APRENDIZ_OIDC_AUDIENCE): send an API key".to_owned()));
    };
    let claims = match provider.validate_bearer(token).await {
        Ok(claims) => claims,
        // it was valid, so it is no guess
        Err(error @ OidcError::Expired) => return Err(ApiError::unauthorized(error.to_string())),
        Err(error @ OidcError::Unavailable { .. }) => return Err(error.into()),
        Err(error) => return Err(failed(error.to_string())),
    };
    let (role, scope) = provider.access(&claims)?;
    let issuer = provider.settings().issuer.as_str();
    let mut conn = state.database.read().await?;
    let known = find_identity(&mut conn, issuer, claims.subject()).await?;
    drop(conn);
    let identity = match known {
        Some(identity) if identity.revoked_at.is_some() => return Err(identity_revoked(&identity.name)),
        Some(identity) => identity,
        None => {
            let new = IdentityClaims {
                issuer,
                subject: claims.subject(),
                email: claims.email(),
                label: claims.label(),
                role,
                scope: scope.clone(),
            };
            let mut tx = state.database.begin().await?;
            let registered = register_identity(&mut tx, &new).await;
            let identity = match registered {
                Err(RunsError::IdentityRevoked(name)) => return Err(identity_revoked(&name)),
                registered => registered?,
            };
            tx.commit().await?;
            identity
        }
    };
    state.auth_failures.record_success(token);
    Ok(ApiKey { role, projects: scope.projects().map(<[String]>::to_vec), ..identity })
}

fn identity_revoked(name: &str) -> ApiError {
    ApiError::unauthorized(format!("`{name}` was revoked here, whatever its provider says"))
}

/// Finds the session of a token. One that has ended is no failed authentication: a browser sends its old cookie with many requests at once,
/// and 256 bits cannot be guessed.
async fn authenticate_session(state: &AppState, address: Option<IpAddr>, token: &str) -> Result<AuthenticatedSession, ApiError> {
    check_failures(state, address, token)?;
    let mut conn = state.database.read().await?;
    let session = authenticate_web_session(&mut conn, token, state.config.sessions.idle).await?.ok_or_else(session_ended)?;
    drop(conn);
    state.auth_failures.record_success(token);
    // all sessions of a key share its allowance
    state.request_rate.count(session.key.id).map_err(ApiError::rate_limited)?;
    Ok(session)
}

fn check_failures(state: &AppState, address: Option<IpAddr>, secret: &str) -> Result<(), ApiError> {
    match address {
        Some(address) => state.auth_failures.check(address, secret).map_err(ApiError::too_many_auth_failures),
        None => Ok(()),
    }
}

/// Address of the client; `None` if the request came over no connection, as in tests of the router.
pub(super) fn client_address(parts: &Parts, state: &AppState) -> Option<IpAddr> {
    let connection = parts.extensions.get::<Arc<ClientConnection>>()?;
    Some(state.config.clients.trusted_proxies.client_address(connection.peer().ip(), &parts.headers))
}

fn session_ended() -> ApiError {
    ApiError::unauthorized("the session has ended, or its API key was revoked: sign in again")
}

fn missing_key() -> ApiError {
    ApiError::unauthorized(
        "an API key is required: send `Authorization: Bearer apz_...` or `X-API-Key: apz_...`, or sign in with `POST /v1/session`",
    )
}

/// Whether a request has a header for an API key. It then ignores the cookie.
pub(super) fn has_key_header(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(API_KEY_HEADER)
}

/// The secret in the headers; `None` if no header is for one.
fn api_key_from(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().map_err(|_| missing_key())?;
        let (scheme, secret) = value.split_once(' ').ok_or_else(missing_key)?;
        return if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(secret.trim())) } else { Err(missing_key()) };
    }
    headers.get(API_KEY_HEADER).map(|value| value.to_str().map_err(|_| missing_key())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn accepts_a_bearer_token_or_the_api_key_header() {
        assert_eq!(api_key_from(&headers("authorization", "Bearer apz_1")).unwrap(), Some("apz_1"));
        assert_eq!(api_key_from(&headers("authorization", "bearer apz_1")).unwrap(), Some("apz_1"));
        assert_eq!(api_key_from(&headers("x-api-key", "apz_2")).unwrap(), Some("apz_2"));
        assert_eq!(api_key_from(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn a_token_has_three_parts_and_a_key_has_one() {
        assert!(is_token("eyJhbGciOiJFUzI1NiJ9.e30.c2ln") && is_token(".."));
        assert!(!is_token("apz_0123") && !is_token("a.b") && !is_token("a.b.c.d.e"));
    }

    #[test]
    fn rejects_other_schemes() {
        assert!(api_key_from(&headers("authorization", "Basic bWU6cGFzcw==")).is_err());
        assert!(api_key_from(&headers("authorization", "apz_1")).is_err());
    }
}
