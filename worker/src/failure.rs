//! Why an attempt stops before its end, decided at the line that understood the error.

use runs::{Failure, RunsError};

/// Why the pipeline did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The attempt no longer owns the run: change nothing, anywhere.
    LeaseLost,
    /// The worker ends: what could be saved is saved, and the run goes back.
    HandedBack,
    /// The run waits for something that another one makes: the attempt has been released already.
    Waits,
    /// Postgres is out of reach; who knows how to ask again does so, for anyone else the attempt has failed.
    Outage(String),
    /// The attempt failed.
    Failed(Failure),
}

impl Stop {
    /// Another attempt would fail the same way.
    pub(crate) fn permanent(code: &str, text: impl Into<String>) -> Self {
        Self::Failed(Failure { code: code.to_owned(), text: text.into(), retryable: false })
    }

    /// Another attempt may succeed.
    pub(crate) fn retryable(code: &str, text: impl Into<String>) -> Self {
        Self::Failed(Failure { code: code.to_owned(), text: text.into(), retryable: true })
    }

    /// The folder for work files could not be used.
    pub(crate) fn scratch(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::retryable("scratch_unusable", format!("scratch file `{}`: {error}", path.display()))
    }
}

impl From<RunsError> for Stop {
    fn from(error: RunsError) -> Self {
        match error {
            RunsError::LeaseLost { .. } => Self::LeaseLost,
            error if error.is_outage() => Self::Outage(error.to_string()),
            RunsError::DatasetErased(_) => Self::retryable("dataset_erased", error.to_string()),
            error if error.is_retryable() => Self::retryable("database", error.to_string()),
            error => Self::permanent("broken_state", error.to_string()),
        }
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::from(RunsError::from(error))
    }
}

impl From<dataset::DatasetError> for Stop {
    fn from(error: dataset::DatasetError) -> Self {
        match error {
            dataset::DatasetError::Database(error) if runs::is_outage(&error) => Self::Outage(error.to_string()),
            error => Self::Failed(Failure { code: error.code().to_owned(), text: error.to_string(), retryable: error.is_retryable() }),
        }
    }
}

impl From<artifacts::StoreError> for Stop {
    fn from(error: artifacts::StoreError) -> Self {
        let code = match &error {
            artifacts::StoreError::Damaged { .. } => "object_damaged",
            artifacts::StoreError::MissingObject(_) => "object_missing",
            artifacts::StoreError::File { .. } => "scratch_unusable",
            _ => "object_store",
        };
        Self::Failed(Failure { code: code.to_owned(), text: error.to_string(), retryable: error.is_retryable() })
    }
}

impl From<inference::ModelError> for Stop {
    fn from(error: inference::ModelError) -> Self {
        Self::permanent("bad_model", error.to_string())
    }
}
