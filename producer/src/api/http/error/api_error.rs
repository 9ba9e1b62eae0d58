//! The error of a request, and its constructors.

use std::borrow::Cow;
use std::time::Duration;

use aprendiz_annotations::reviews::ReviewError;
use aprendiz_runs::Alias;
use axum::http::StatusCode;
use serde_json::Value;

use crate::api::http::error::problem::Hint;

/// Error of a request.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) code: Cow<'static, str>,
    pub(super) detail: String,
    /// Current state of the resource, if a precondition failed.
    pub(super) current: Option<Value>,
    /// The way out, if it differs between clients. Boxed, because most errors have none.
    pub(super) hint: Option<Box<Hint>>,
    /// When to try again, if that is known.
    pub(super) retry_after: Option<Duration>,
    /// Cause for the log; never sent to the client.
    pub(super) source: Option<anyhow::Error>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), current: None, hint: None, retry_after: None, source: None }
    }

    /// Adds the way out, for clients of the API and for the command line.
    pub(crate) fn with_hint(self, request: impl Into<String>, command: impl Into<String>) -> Self {
        Self { hint: Some(Box::new(Hint { request: request.into(), command: command.into() })), ..self }
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// The alias is not at the revision that the request names.
    pub(crate) fn alias_changed(current: Option<&Alias>) -> Self {
        let detail = match current {
            Some(alias) => format!("the alias names version {} now, at revision {}", alias.number, alias.revision),
            None => "there is no such alias now".to_owned(),
        };
        Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
            .with_current(current.and_then(|alias| serde_json::to_value(alias).ok()))
    }

    /// What is wrong, and how to fix it.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether the server or one of its services is at fault, so that the same request may succeed later.
    pub(crate) fn is_server_error(&self) -> bool {
        self.status.is_server_error()
    }

    /// Adds the current state of the resource.
    pub(crate) fn with_current(self, current: Option<Value>) -> Self {
        Self { current, ..self }
    }

    /// The request is well-formed but its content is invalid.
    pub(crate) fn unprocessable(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// The field has a state already, so the request must name its version in `If-Match`.
    pub(crate) fn precondition_required(error: ReviewError) -> Self {
        let detail = format!("the version of the reviewed state is missing: {error}");
        Self { status: StatusCode::PRECONDITION_REQUIRED, code: "precondition_required".into(), detail, ..error.into() }
    }

    /// The server has no room for the request.
    pub(crate) fn overloaded(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
    }

    /// The client sends the body of its request too slowly.
    pub(crate) fn body_timeout(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
    }

    /// An address had too many failed authentications.
    pub(crate) fn too_many_auth_failures(delay: Duration) -> Self {
        let detail = "too many failed authentications from this address: check the API key, and try again later";
        Self { retry_after: Some(delay), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_auth_failures", detail) }
    }

    /// An API key sends too many requests.
    pub(crate) fn rate_limited(delay: Duration) -> Self {
        let detail = "this API key has sent more requests than APRENDIZ_MAX_REQUESTS_PER_MINUTE allows: try again after Retry-After";
        Self { retry_after: Some(delay), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail) }
    }

    /// A service that the server depends on does not respond.
    pub(crate) fn service_unavailable(service: &'static str, source: impl Into<anyhow::Error>) -> Self {
        let detail = format!("{service} is unavailable: try again");
        Self { source: Some(source.into()), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{service}_unavailable"), detail) }
    }

    /// A part of the server does not respond. The cause is for the log.
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self { source: Some(source.into()), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }

    /// Postgres aborted the transaction of the request because of another one; nothing was changed.
    pub(super) fn conflicting_transaction(source: sqlx::Error) -> Self {
        let detail = "a concurrent request changed the same rows, and nothing was changed by this one: try again";
        Self { source: Some(source.into()), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_conflict", detail) }
    }

    /// A server error.
    pub(crate) fn internal(source: impl Into<anyhow::Error>) -> Self {
        let detail = "internal server error; see the log of the server";
        Self { source: Some(source.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail) }
    }
}
