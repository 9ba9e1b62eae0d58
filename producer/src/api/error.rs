//! Errors of the API.
//!
//! The policy: handlers return [`ApiError`] and nothing else. It is one body shape, `application/problem+json`, with a stable
//! `code` for machines and a `detail` for people that names the thing and the way out. What is the client's fault says
//! everything; what is ours is logged once, here, and the client learns only that it happened. Library errors become
//! `ApiError` in this file and nowhere else, so that one kind of error always has one status and one code.

use std::borrow::Cow;
use std::time::Duration;

use annotations::AnnotationsError;
use annotations::import::ImportError;
use annotations::import::legacy_csv::LegacyCsvError;
use annotations::review::ReviewError;
use artifacts::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dataset::DatasetError;
use dataset::inspect::InspectError;
use inference::ModelError;
use runs::{RunsError, SpecError};
use serde::Serialize;
use serde_json::Value;
use tracing::{error, warn};
use utoipa::ToSchema;

/// After how long a client should ask again while a service is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:aprendiz:problem:` and the code.
    #[serde(rename = "type")]
    type_uri: String,
    /// Name of the HTTP status.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What is wrong and what would be right.
    detail: String,
    /// Stable name of the error.
    #[schema(example = "unknown_field")]
    code: String,
    /// What there is now, where a precondition did not hold or somebody else is at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Value>,
}

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    /// What there is now, where a precondition did not hold.
    current: Option<Value>,
    /// What only the log may know.
    source: Option<anyhow::Error>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), current: None, source: None }
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

    /// The request was understood, but what it asks for cannot be.
    pub(crate) fn unprocessable(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// What there is now must be named to be changed.
    pub(crate) fn precondition_required(error: ReviewError) -> Self {
        let detail = format!("If-Match is missing: {error}");
        Self { status: StatusCode::PRECONDITION_REQUIRED, code: "precondition_required".into(), detail, ..error.into() }
    }

    /// A service we depend on does not answer.
    pub(crate) fn away(service: &'static str, source: impl Into<anyhow::Error>) -> Self {
        let detail = format!("{service} does not answer at the moment: try again");
        Self { source: Some(source.into()), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{service}_unavailable"), detail) }
    }

    /// A fault of ours.
    pub(crate) fn internal(source: impl Into<anyhow::Error>) -> Self {
        let detail = "something went wrong here; it has been logged";
        Self { source: Some(source.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, detail, current, source } = self;
        match source {
            Some(source) if status == StatusCode::SERVICE_UNAVAILABLE => warn!(error = format!("{source:#}"), "request refused: {detail}"),
            Some(source) => error!(error = format!("{source:#}"), "request failed"),
            None => {}
        }
        let problem = Problem {
            type_uri: format!("urn:aprendiz:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code: code.into_owned(),
            current,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
        }
        response
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed => Self::away("database", error),
            E::Database(ref refused) if refused.code().is_some_and(|code| is_away(&code)) => Self::away("database", error),
            other => Self::internal(other),
        }
    }
}

/// Whether a code of Postgres tells that it cannot just now: it is shutting down or starting (57P), out of connections or space (53),
/// lost the connection (08), or is read-only, as a server is that lost a failover.
fn is_away(code: &str) -> bool {
    code.starts_with("57P") || code.starts_with("53") || code.starts_with("08") || code == "25006"
}

impl From<RunsError> for ApiError {
    fn from(error: RunsError) -> Self {
        match error {
            RunsError::Database(error) => error.into(),
            RunsError::UnknownRun(_) => Self::new(StatusCode::NOT_FOUND, "unknown_run", error.to_string()),
            RunsError::UnknownWorker(_) => Self::new(StatusCode::NOT_FOUND, "unknown_worker", error.to_string()),
            RunsError::WorkerStopped(_) => Self::conflict("worker_stopped", error.to_string()),
            RunsError::WrongState { .. } => Self::conflict("wrong_state", error.to_string()),
            RunsError::IdempotencyMismatch(_) => Self::unprocessable("idempotency_mismatch", error.to_string()),
            RunsError::DatasetErased(_) => Self::new(StatusCode::GONE, "dataset_erased", error.to_string()),
            RunsError::LeaseLost { .. } | RunsError::BrokenRow { .. } => Self::internal(error),
        }
    }
}

impl From<SpecError> for ApiError {
    fn from(error: SpecError) -> Self {
        Self::unprocessable(error.code(), error.to_string())
    }
}

impl From<AnnotationsError> for ApiError {
    fn from(error: AnnotationsError) -> Self {
        match error {
            AnnotationsError::Database(error) => error.into(),
            AnnotationsError::InvalidDefinition { .. } => Self::unprocessable("invalid_definition", error.to_string()),
        }
    }
}

impl From<ReviewError> for ApiError {
    fn from(error: ReviewError) -> Self {
        let detail = error.to_string();
        match error {
            ReviewError::Database(error) => error.into(),
            ReviewError::UnknownDocument(_) => Self::new(StatusCode::NOT_FOUND, "unknown_document", detail),
            ReviewError::UnknownField(_) => Self::new(StatusCode::NOT_FOUND, "unknown_field", detail),
            ReviewError::Erased { .. } => Self::new(StatusCode::GONE, "document_erased", detail),
            ReviewError::Invalid { .. } => Self::unprocessable("invalid_review", detail),
            ReviewError::StatusContradicts { .. } => Self::unprocessable("status_contradicts", detail),
            ReviewError::Leased(lease) => {
                let current = serde_json::to_value(&*lease).ok();
                Self { current, ..Self::new(StatusCode::LOCKED, "document_leased", detail) }
            }
            ReviewError::NothingToUndo { .. } => Self::conflict("nothing_to_undo", detail),
            ReviewError::ReferenceReused => Self::unprocessable("idempotency_mismatch", detail),
            ReviewError::Stale { current } => {
                let current = current.and_then(|current| serde_json::to_value(&*current).ok());
                Self { current, ..Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail) }
            }
        }
    }
}

impl From<InspectError> for ApiError {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::UnknownDataset(_) => Self::not_found(error.to_string()),
            InspectError::UnknownDocument(_) => Self::new(StatusCode::NOT_FOUND, "unknown_document", error.to_string()),
            InspectError::Erased { .. } => Self::new(StatusCode::GONE, "dataset_erased", error.to_string()),
            InspectError::Database(error) | InspectError::Dataset(DatasetError::Database(error)) => error.into(),
            InspectError::Annotations(error) => error.into(),
            InspectError::BrokenRow { .. } | InspectError::Dataset(_) => Self::internal(error),
        }
    }
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Database(error) => error.into(),
            ImportError::Erased { .. } => Self::new(StatusCode::GONE, error.code(), error.to_string()),
            ImportError::DocumentExists { .. } => Self::conflict(error.code(), error.to_string()),
            ImportError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.code(), error.to_string()),
            // the input is the request body: whoever cut it off was the client
            ImportError::Read { .. } => Self::new(StatusCode::BAD_REQUEST, error.code(), error.to_string()),
            _ => Self::unprocessable(error.code(), error.to_string()),
        }
    }
}

impl From<LegacyCsvError> for ApiError {
    fn from(error: LegacyCsvError) -> Self {
        match error {
            LegacyCsvError::Database(error) => error.into(),
            LegacyCsvError::Import(error) => error.into(),
            LegacyCsvError::RowTooLong { .. } | LegacyCsvError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.code(), error.to_string())
            }
            LegacyCsvError::Read(_) => Self::new(StatusCode::BAD_REQUEST, error.code(), error.to_string()),
            LegacyCsvError::NotText { .. } | LegacyCsvError::BadHeader { .. } => Self::unprocessable(error.code(), error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            // a row says that it is there and what it is: nothing gets better by asking again
            StoreError::MissingObject(_) | StoreError::Damaged { .. } | StoreError::File { .. } => Self::internal(error),
            _ => Self::away("object_store", error),
        }
    }
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn internals_are_never_sent() {
        let response = ApiError::internal(anyhow::anyhow!("password hunter2")).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(!text.contains("hunter2") && text.contains(r#""code":"internal""#), "{text}");
    }

    #[test]
    fn a_database_that_is_away_is_no_fault_of_the_request() {
        assert_eq!(ApiError::from(sqlx::Error::PoolTimedOut).status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ApiError::from(sqlx::Error::RowNotFound).status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
