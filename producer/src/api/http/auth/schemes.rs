//! Security schemes of the OpenAPI document, and the problems of an authentication.

use axum::http::StatusCode;
use utoipa::openapi::path::Operation;

use crate::api::http::operation::add_problem;

/// Name of the security scheme of sessions.
pub(crate) const COOKIE_SCHEME: &str = "session_cookie";
/// Names of the security schemes of the OpenAPI document: the key as a bearer token, in its own header, or as a session.
pub(crate) const SECURITY_SCHEMES: [&str; 3] = ["api_key", "api_key_header", COOKIE_SCHEME];

/// Describes how an authentication fails.
pub(super) fn add_auth_problems(operation: &mut Operation) {
    add_problem(
        operation,
        StatusCode::UNAUTHORIZED,
        "`unauthorized`: the API key is missing, unknown or revoked, the token of the provider is not accepted, or the session has ended",
    );
    let reason = "`too_many_auth_failures`: too many failed authentications from this address";
    add_problem(operation, StatusCode::TOO_MANY_REQUESTS, reason);
    let reason = "`rate_limited`: this API key sends too many requests per minute";
    add_problem(operation, StatusCode::TOO_MANY_REQUESTS, reason);
    let reason = "`database_unavailable`, `object_store_unavailable`, `oidc_unavailable`: a service does not respond";
    add_problem(operation, StatusCode::SERVICE_UNAVAILABLE, reason);
}
