//! Reasons why an attempt stops before publication, decided where the error is understood.

use std::fmt::Display;
use std::path::Path;

use aprendiz_db::{RetryReason, missing_privilege};
use aprendiz_runs::{Failure, RunsError};

/// Why the pipeline stopped before publication.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// The attempt no longer owns the run and must not write anything, anywhere.
    LeaseLost,
    /// Cancellation of the run was requested.
    CancelRequested,
    /// The worker shuts down: progress is saved where possible, and the run is to be released.
    ShuttingDown,
    /// Another run builds the dataset: this attempt has been released already.
    AwaitingDataset,
    /// The trials of a sweep have to end first: this attempt has been released already.
    AwaitingTrials,
    /// Postgres is unreachable, or aborted the transaction because of a concurrent one. `retry_on_outage!` repeats; elsewhere the attempt fails and the
    /// run is retried.
    DatabaseRetry { reason: RetryReason, text: String },
    /// The attempt failed.
    Failed(Failure),
}

impl Interruption {
    /// A failure that another attempt would repeat.
    pub(crate) fn permanent(code: &str, text: impl Into<String>) -> Self {
        Self::Failed(Failure { code: code.to_owned(), text: text.into(), retryable: false })
    }

    /// A failure that another attempt may avoid.
    pub(crate) fn retryable(code: &str, text: impl Into<String>) -> Self {
        Self::Failed(Failure { code: code.to_owned(), text: text.into(), retryable: true })
    }

    /// Stored or generated data violates an invariant.
    pub(crate) fn broken_state(error: impl Display) -> Self {
        Self::permanent("broken_state", error.to_string())
    }

    /// The scratch folder cannot be used.
    pub(crate) fn scratch(path: &Path, error: &std::io::Error) -> Self {
        Self::retryable("scratch_unusable", format!("scratch file `{}`: {error}", path.display()))
    }
}

impl From<RunsError> for Interruption {
    fn from(error: RunsError) -> Self {
        if let RunsError::Database(database) = &error
            && let Some(text) = missing_privilege(database)
        {
            return Self::permanent("database_privilege", text);
        }
        if let Some(reason) = error.retry_reason() {
            return Self::DatabaseRetry { reason, text: error.to_string() };
        }
        match error {
            RunsError::LeaseLost { .. } => Self::LeaseLost,
            RunsError::CancelRequested { .. } => Self::CancelRequested,
            RunsError::DatasetErased(_) => Self::retryable("dataset_erased", error.to_string()),
            error if error.is_retryable() => Self::retryable("database", error.to_string()),
            error => Self::broken_state(error),
        }
    }
}

impl From<sqlx::Error> for Interruption {
    fn from(error: sqlx::Error) -> Self {
        Self::from(RunsError::from(error))
    }
}

impl From<aprendiz_dataset::DatasetError> for Interruption {
    fn from(error: aprendiz_dataset::DatasetError) -> Self {
        if let aprendiz_dataset::DatasetError::Database(database) = &error
            && let Some(text) = missing_privilege(database)
        {
            return Self::permanent("database_privilege", text);
        }
        if let aprendiz_dataset::DatasetError::Database(database) = &error
            && let Some(reason) = aprendiz_db::retry_reason(database)
        {
            return Self::DatabaseRetry { reason, text: database.to_string() };
        }
        Self::Failed(Failure { code: error.code().to_owned(), text: error.to_string(), retryable: error.is_retryable() })
    }
}

impl From<aprendiz_artifacts::StoreError> for Interruption {
    fn from(error: aprendiz_artifacts::StoreError) -> Self {
        let code = match &error {
            aprendiz_artifacts::StoreError::ChecksumMismatch { .. } => "object_damaged",
            aprendiz_artifacts::StoreError::MissingObject(_) => "object_missing",
            aprendiz_artifacts::StoreError::File { .. } => "scratch_unusable",
            aprendiz_artifacts::StoreError::Rejected { .. } | aprendiz_artifacts::StoreError::Setting { .. } => "object_store_rejected",
            aprendiz_artifacts::StoreError::MissingBucket(_) | aprendiz_artifacts::StoreError::Unavailable { .. } => "object_store",
        };
        Self::Failed(Failure { code: code.to_owned(), text: error.to_string(), retryable: error.is_retryable() })
    }
}

impl From<aprendiz_inference::ModelError> for Interruption {
    fn from(error: aprendiz_inference::ModelError) -> Self {
        Self::permanent("bad_model", error.to_string())
    }
}

impl From<aprendiz_classifier::ClassifierError> for Interruption {
    fn from(error: aprendiz_classifier::ClassifierError) -> Self {
        match error {
            aprendiz_classifier::ClassifierError::Encoder(error) => error.into(),
            aprendiz_classifier::ClassifierError::Io { .. } => Self::retryable("io", error.to_string()),
            error => Self::permanent("bad_model", error.to_string()),
        }
    }
}

impl From<aprendiz_encoder::EncoderError> for Interruption {
    fn from(error: aprendiz_encoder::EncoderError) -> Self {
        match error.code() {
            "io" => Self::retryable("io", error.to_string()),
            code => Self::permanent(code, error.to_string()),
        }
    }
}
