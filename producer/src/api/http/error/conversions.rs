//! Converts library errors: the status and code of each.

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
use aprendiz_runs::RunsError;
use axum::http::StatusCode;

use crate::api::http::error::api_error::ApiError;
use crate::oidc::OidcError;

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
            // without known queues it was asked for by its path, otherwise named in a spec
            RunsError::UnknownQueue { ref known, .. } if known.is_empty() => {
                Self::new(StatusCode::NOT_FOUND, "unknown_queue", error.to_string())
            }
            RunsError::UnknownQueue { .. } => Self::unprocessable("unknown_queue", error.to_string()),
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
            RunsError::IdentityRevoked(_) => Self::new(StatusCode::FORBIDDEN, "sign_in_refused", error.to_string()),
            RunsError::OwnPromotion(_) => Self::new(StatusCode::FORBIDDEN, "own_promotion", error.to_string()),
            RunsError::IdempotencyMismatch(_) => Self::unprocessable("idempotency_mismatch", error.to_string()),
            RunsError::InvalidLabel(_) => Self::unprocessable("invalid_label", error.to_string()),
            RunsError::DatasetErased(_) => Self::new(StatusCode::GONE, "dataset_erased", error.to_string()),
            RunsError::LeaseLost { .. } | RunsError::CancelRequested { .. } | RunsError::BrokenRow { .. } | RunsError::NoRandomBytes(_) => {
                Self::internal(error)
            }
            RunsError::KeyNameTaken(_) => Self::conflict("key_name_taken", error.to_string()),
            RunsError::LastAdminKey(_) => Self::conflict("last_admin_key", error.to_string()),
            RunsError::KeyExpired { .. } => Self::unauthorized(error.to_string()),
        }
    }
}

impl From<OidcError> for ApiError {
    fn from(error: OidcError) -> Self {
        let detail = error.to_string();
        match error {
            OidcError::Unavailable { ref issuer, .. } => {
                let detail = format!("the provider {issuer} is unavailable: try again, or sign in with an API key");
                Self::unavailable("oidc_unavailable", detail, error)
            }
            OidcError::NoRole(_) => Self::new(StatusCode::FORBIDDEN, "no_role", detail),
            OidcError::InvalidToken(_) | OidcError::Expired | OidcError::CodeRejected(_) => {
                Self::new(StatusCode::FORBIDDEN, "sign_in_refused", detail)
            }
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
            AnnotationsError::StaleDefinition { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", error.to_string()),
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

    #[test]
    fn an_unavailable_database_is_reported_as_503() {
        assert_eq!(ApiError::from(sqlx::Error::PoolTimedOut).status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ApiError::from(sqlx::Error::RowNotFound).status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
