//! Authentication and authorization: extractors named after roles. A handler that takes [`Operator`] admits operators and admins only, so
//! the required role stands next to the route.
//!
//! API keys are looked up on each request: a revoked key stops working at once.

use std::net::IpAddr;
use std::sync::Arc;

use aprendiz_runs::{ApiKey, Role, authenticate};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use crate::api::http::admission::Admission;
use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_problem};
use crate::api::state::AppState;
use crate::connection::client::ClientConnection;

/// Header for clients that cannot send `Authorization`.
pub(crate) const API_KEY_HEADER: &str = "x-api-key";

/// The API key of the request, whatever its role.
#[derive(Debug, Clone)]
pub(crate) struct CurrentKey(pub(crate) ApiKey);

impl FromRequestParts<AppState> for CurrentKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        key_with_role(parts, state, Role::Viewer).await.map(Self)
    }
}

impl Describe for CurrentKey {
    fn describe(operation: &mut Operation) {
        require_role(operation, Role::Viewer);
    }
}

macro_rules! role {
    ($(#[$doc:meta])* $name:ident { $($actor:ident)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name $((pub(crate) $actor))?;

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
                let actor = key_with_role(parts, state, Role::$name).await?;
                Ok(role!(@build $name actor $($actor)?))
            }
        }

        impl Describe for $name {
            fn describe(operation: &mut Operation) {
                require_role(operation, Role::$name);
            }
        }
    };
    (@build $name:ident $found:ident ApiKey) => { $name($found) };
    (@build $name:ident $found:ident) => {{ let _ = $found; $name }};
}

role!(
    /// Reads, downloads, predicts. Reads are not audited, so the extractor holds no actor.
    Viewer {}
);
role!(
    /// Also imports, annotates and declares fields.
    Reviewer { ApiKey }
);
role!(
    /// Also creates, cancels and retries runs.
    Operator { ApiKey }
);

role!(
    /// Also reads the audit log and erases documents.
    Admin { ApiKey }
);

/// Names of the security schemes of the OpenAPI document: the key as a bearer token, or in its own header.
pub(crate) const SECURITY_SCHEMES: [&str; 2] = ["api_key", "api_key_header"];

/// Describes an operation that needs a key with this role.
fn require_role(operation: &mut Operation, role: Role) {
    operation.security = Some(SECURITY_SCHEMES.map(|scheme| SecurityRequirement::new(scheme, [role.to_string()])).to_vec());
    add_problem(operation, StatusCode::UNAUTHORIZED, "`unauthorized`: the API key is missing, unknown or revoked");
    // every key has at least the lowest role, which changes nothing
    if role > Role::Viewer {
        add_problem(operation, StatusCode::FORBIDDEN, &format!("`forbidden`: the API key lacks the role {role}"));
    }
    let reason = "`too_many_auth_failures`: too many failed authentications from this address";
    add_problem(operation, StatusCode::TOO_MANY_REQUESTS, reason);
    add_problem(
        operation,
        StatusCode::SERVICE_UNAVAILABLE,
        "`database_unavailable`, `object_store_unavailable`: a service does not respond",
    );
    if role > Role::Viewer {
        let reason = "`database_conflict`: a concurrent request changed the same rows, and nothing was changed by this one";
        add_problem(operation, StatusCode::SERVICE_UNAVAILABLE, reason);
    }
}

async fn key_with_role(parts: &Parts, state: &AppState, needed: Role) -> Result<ApiKey, ApiError> {
    let secret = api_key_from(&parts.headers)?;
    let address = client_address(parts, state);
    if let Some(address) = address {
        state.auth_failures.check(address, secret).map_err(ApiError::too_many_auth_failures)?;
    }
    let mut conn = state.database.read().await?;
    let Some(key) = authenticate(&mut conn, secret).await? else {
        if let Some(address) = address {
            state.auth_failures.record_failure(address, secret);
        }
        return Err(ApiError::unauthorized("the API key is unknown or revoked"));
    };
    drop(conn);
    state.auth_failures.record_success(secret);
    if key.role < needed {
        let detail = format!("this route requires the role {needed}; API key `{}` has the role {}", key.name, key.role);
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    Admission::from_extensions(&parts.extensions)?.assign_key(key.id)?;
    Ok(key)
}

/// Address of the client; `None` if the request came over no connection, as in tests of the router.
fn client_address(parts: &Parts, state: &AppState) -> Option<IpAddr> {
    let connection = parts.extensions.get::<Arc<ClientConnection>>()?;
    Some(state.config.clients.trusted_proxies.client_address(connection.peer().ip(), &parts.headers))
}

fn api_key_from(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || ApiError::unauthorized("an API key is required: send `Authorization: Bearer apz_...` or `X-API-Key: apz_...`");
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().map_err(|_| missing())?;
        let (scheme, secret) = value.split_once(' ').ok_or_else(missing)?;
        return if scheme.eq_ignore_ascii_case("bearer") { Ok(secret.trim()) } else { Err(missing()) };
    }
    headers.get(API_KEY_HEADER).and_then(|value| value.to_str().ok()).ok_or_else(missing)
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
        assert_eq!(api_key_from(&headers("authorization", "Bearer apz_1")).unwrap(), "apz_1");
        assert_eq!(api_key_from(&headers("authorization", "bearer apz_1")).unwrap(), "apz_1");
        assert_eq!(api_key_from(&headers("x-api-key", "apz_2")).unwrap(), "apz_2");
    }

    #[test]
    fn rejects_other_schemes_and_missing_headers() {
        assert!(api_key_from(&HeaderMap::new()).is_err());
        assert!(api_key_from(&headers("authorization", "Basic bWU6cGFzcw==")).is_err());
        assert!(api_key_from(&headers("authorization", "apz_1")).is_err());
    }
}
