//! Errors of the API and their HTTP responses.
//!
//! Handlers return only [`ApiError`]. Its body is `application/problem+json` (RFC 9457) with a stable `code` for programs and a `detail`
//! for people that names the cause and the way out. Client errors are reported in full. Server errors are logged once, here, and the client
//! learns only that one occurred. Library errors are converted in this file only, so that an error always has the same status and code.

use std::borrow::Cow;
use std::time::Duration;

use aprendiz_annotations::AnnotationsError;
use aprendiz_annotations::import::legacy_csv::{self, LegacyCsvError};
use aprendiz_annotations::import::{ImportError, ReadError};
use aprendiz_annotations::reverts::RevertError;
use aprendiz_annotations::reviews::ReviewError;
use aprendiz_artifacts::StoreError;
use aprendiz_dataset::DatasetError;
use aprendiz_dataset::inspect::InspectError;
use aprendiz_db::{RetryReason, missing_privilege, retry_reason};
use aprendiz_inference::ModelError;
use aprendiz_run_spec::SpecError;
use aprendiz_runs::{Alias, RunsError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::http::rejection_log;

/// `Retry-After` of a 503 or 429 response, unless it has its own.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// The way out of an error, as a request and as a command: a client shows the one that its user can send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Hint {
    /// For clients of the API, such as `PUT /v1/fields/law`, or a header of the next request.
    request: String,
    /// For the command line, such as `aprendiz field declare law --kind categorical`, or an option of the next command.
    command: String,
}

/// Body of every error response (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:aprendiz:problem:` followed by the code.
    #[serde(rename = "type")]
    type_uri: String,
    /// Reason phrase of the HTTP status.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What is wrong, and how to fix it.
    detail: String,
    /// Stable error code.
    #[schema(example = "unknown_field")]
    code: String,
    /// Current state of the resource, if a precondition failed or a lease is held by another reviewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Value>,
    /// The way out, if it differs between clients of the API and the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<Hint>,
}

/// Error of a request.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    /// Current state of the resource, if a precondition failed.
    current: Option<Value>,
    /// The way out, if it differs between clients. Boxed, because most errors have none.
    hint: Option<Box<Hint>>,
    /// When to try again, if that is known.
    retry_after: Option<Duration>,
    /// Cause for the log; never sent to the client.
    source: Option<anyhow::Error>,
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

    /// A service that the server depends on does not respond.
    pub(crate) fn service_unavailable(service: &'static str, source: impl Into<anyhow::Error>) -> Self {
        let detail = format!("{service} is unavailable: try again");
        Self { source: Some(source.into()), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{service}_unavailable"), detail) }
    }

    /// Postgres aborted the transaction of the request because of another one; nothing was changed.
    fn conflicting_transaction(source: sqlx::Error) -> Self {
        let detail = "a concurrent request changed the same rows, and nothing was changed by this one: try again";
        Self { source: Some(source.into()), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_conflict", detail) }
    }

    /// A server error.
    pub(crate) fn internal(source: impl Into<anyhow::Error>) -> Self {
        let detail = "internal server error; see the log of the server";
        Self { source: Some(source.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, detail, current, hint, retry_after, source } = self;
        match source {
            source if status == StatusCode::SERVICE_UNAVAILABLE => rejection_log::warn(&code, &detail, source.as_ref()),
            Some(source) => rejection_log::error(&source),
            None => {}
        }
        let problem = Problem {
            type_uri: format!("urn:aprendiz:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code: code.into_owned(),
            current,
            hint: hint.map(|hint| *hint),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            // rounded up: a client that returns a moment too early is refused again
            let delay = retry_after.map_or(RETRY_DELAY, |delay| delay + Duration::from_millis(999));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs()));
        }
        response
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match retry_reason(&error) {
            Some(RetryReason::Unavailable) => return Self::service_unavailable("database", error),
            Some(RetryReason::Conflict) => return Self::conflicting_transaction(error),
            None => {}
        }
        if is_statement_timeout(&error) {
            let detail = "a statement took longer than APRENDIZ_STATEMENT_TIMEOUT_SECONDS: try again when the database has less to do";
            return Self { source: Some(error.into()), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", detail) };
        }
        match missing_privilege(&error) {
            Some(detail) => {
                Self { source: Some(error.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "database_privilege", detail) }
            }
            None => Self::internal(error),
        }
    }
}

/// `query_canceled`, which Postgres also reports for `statement_timeout`.
fn is_statement_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("57014"))
}

impl From<RunsError> for ApiError {
    fn from(error: RunsError) -> Self {
        match error {
            RunsError::Database(error) => error.into(),
            RunsError::UnknownRun(_) => Self::new(StatusCode::NOT_FOUND, "unknown_run", error.to_string()),
            RunsError::UnknownWorker(_) => Self::new(StatusCode::NOT_FOUND, "unknown_worker", error.to_string()),
            RunsError::WorkerStopped(_) => Self::conflict("worker_stopped", error.to_string()),
            RunsError::WrongState { .. } => Self::conflict("wrong_state", error.to_string()),
            RunsError::UnknownModel(_) | RunsError::UnknownVersion { .. } => {
                Self::new(StatusCode::NOT_FOUND, "unknown_model", error.to_string())
            }
            RunsError::NoAlias { .. } => Self::new(StatusCode::NOT_FOUND, "unknown_alias", error.to_string()),
            RunsError::UnknownPromotionRequest(_) => Self::not_found(error.to_string()),
            RunsError::AliasChanged { .. } | RunsError::ModelChanged { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", error.to_string())
            }
            RunsError::VersionRetired { .. } => Self::conflict("version_retired", error.to_string()),
            RunsError::VersionAliased { .. } => Self::conflict("version_aliased", error.to_string()),
            RunsError::VersionInUse { ref references, .. } => {
                let current = serde_json::json!({ "references": references });
                Self::conflict("version_in_use", error.to_string()).with_current(Some(current))
            }
            RunsError::NothingToRollBackTo { .. } => Self::conflict("no_earlier_version", error.to_string()),
            RunsError::PromotionDecided { .. } => Self::conflict("promotion_decided", error.to_string()),
            RunsError::OwnPromotion(_) => Self::new(StatusCode::FORBIDDEN, "own_promotion", error.to_string()),
            RunsError::IdempotencyMismatch(_) => Self::unprocessable("idempotency_mismatch", error.to_string()),
            RunsError::InvalidLabel(_) => Self::unprocessable("invalid_label", error.to_string()),
            RunsError::DatasetErased(_) => Self::new(StatusCode::GONE, "dataset_erased", error.to_string()),
            // keys are created by the command line only
            RunsError::LeaseLost { .. }
            | RunsError::CancelRequested { .. }
            | RunsError::BrokenRow { .. }
            | RunsError::NoRandomBytes(_)
            | RunsError::KeyNameTaken(_) => Self::internal(error),
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
            AnnotationsError::MissingField(_) => Self::internal(error),
        }
    }
}

impl From<ReviewError> for ApiError {
    fn from(error: ReviewError) -> Self {
        let detail = error.to_string();
        match error {
            ReviewError::Database(error) => error.into(),
            ReviewError::UnknownDocument(_) => Self::new(StatusCode::NOT_FOUND, "unknown_document", detail),
            ReviewError::UnknownField(name) => Self::new(StatusCode::NOT_FOUND, "unknown_field", detail)
                .with_hint(format!("PUT /v1/fields/{name}"), format!("aprendiz field declare {name} --kind categorical")),
            ReviewError::Erased { .. } => Self::new(StatusCode::GONE, "document_erased", detail),
            ReviewError::Invalid { .. } => Self::unprocessable("invalid_review", detail),
            ReviewError::StatusContradicts { .. } => Self::unprocessable("status_contradicts", detail),
            ReviewError::Leased(lease) => {
                let current = serde_json::to_value(&*lease).ok();
                Self { current, ..Self::new(StatusCode::LOCKED, "document_leased", detail) }
            }
            ReviewError::NothingToUndo { .. } => Self::conflict("nothing_to_undo", detail),
            ReviewError::MissingState { .. } => Self::internal(error),
            ReviewError::ReferenceReused => Self::unprocessable("idempotency_mismatch", detail),
            ReviewError::Stale { current } => {
                let version = current.as_ref().map_or(0, |current| current.version);
                let current = current.and_then(|current| serde_json::to_value(&*current).ok());
                let stale = Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail);
                Self { current, ..stale.with_hint(format!("If-Match: \"{version}\""), format!("--if-version {version}")) }
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
        let status = match error {
            ImportError::Database(error) => return error.into(),
            ImportError::Erased { .. } => StatusCode::GONE,
            ImportError::DocumentExists { .. } => StatusCode::CONFLICT,
            ImportError::File(ReadError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            // the file was received completely before
            ImportError::File(ReadError::Io { .. }) => return Self::internal(error),
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<RevertError> for ApiError {
    fn from(error: RevertError) -> Self {
        let detail = error.to_string();
        match error {
            RevertError::Database(error) => error.into(),
            RevertError::NotFound(_) => Self::not_found(detail),
            RevertError::Running(_) | RevertError::Failed(_) => Self::conflict("wrong_state", detail),
            RevertError::NotRecorded(_) => Self::conflict("import_too_old", detail),
            RevertError::InvalidReason => Self::unprocessable("invalid_reason", detail),
        }
    }
}

/// Errors of resolving a selection for a preview.
impl From<DatasetError> for ApiError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Database(error) => error.into(),
            DatasetError::UnknownField { .. } | DatasetError::UnknownDocuments { .. } | DatasetError::NoExamples { .. } => {
                Self::unprocessable(error.code(), error.to_string())
            }
            error => Self::internal(error),
        }
    }
}

impl From<LegacyCsvError> for ApiError {
    fn from(error: LegacyCsvError) -> Self {
        match error {
            LegacyCsvError::Database(error) => error.into(),
            LegacyCsvError::Import(error) => error.into(),
            LegacyCsvError::File(legacy_csv::ReadError::Io(_)) => Self::internal(error),
            LegacyCsvError::FutureReviews { .. } => Self::unprocessable(error.code(), error.to_string()),
            LegacyCsvError::File(ref file_error) => Self::new(legacy_csv_status(file_error), error.code(), error.to_string()),
        }
    }
}

impl From<legacy_csv::ReadError> for ApiError {
    fn from(error: legacy_csv::ReadError) -> Self {
        match error {
            // the file was received completely before
            legacy_csv::ReadError::Io(_) => Self::internal(error),
            error => Self::new(legacy_csv_status(&error), error.code(), error.to_string()),
        }
    }
}

fn legacy_csv_status(error: &legacy_csv::ReadError) -> StatusCode {
    match error {
        legacy_csv::ReadError::RowTooLong { .. } | legacy_csv::ReadError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        legacy_csv::ReadError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        legacy_csv::ReadError::NotText { .. } | legacy_csv::ReadError::BadHeader { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            // a row records the object and its hash, so a retry cannot help
            StoreError::MissingObject(_) => {
                let detail = "the file is missing from the object store: the next run on the same data rebuilds the files of a snapshot; \
                    other files must be restored";
                let missing = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "object_missing", detail);
                Self { source: Some(error.into()), ..missing }
            }
            StoreError::ChecksumMismatch { .. } | StoreError::File { .. } => Self::internal(error),
            StoreError::Rejected { .. } | StoreError::Setting { .. } => {
                let detail = "the object store rejects a request of this server, and a retry will not help: ask the operator to run \
                    `aprendiz doctor`; the log of the server has the answer of the store";
                let rejected = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "object_store_rejected", detail);
                Self { source: Some(error.into()), ..rejected }
            }
            StoreError::MissingBucket(_) | StoreError::Unavailable { .. } => Self::service_unavailable("object_store", error),
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
    async fn internal_causes_are_not_sent_to_the_client() {
        let response = ApiError::internal(anyhow::anyhow!("password hunter2")).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(!text.contains("hunter2") && text.contains(r#""code":"internal""#), "{text}");
    }

    #[test]
    fn an_unavailable_database_is_reported_as_503() {
        assert_eq!(ApiError::from(sqlx::Error::PoolTimedOut).status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ApiError::from(sqlx::Error::RowNotFound).status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
