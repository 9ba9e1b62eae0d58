//! The error of this crate.

use crate::ids::{DatasetId, RunId, WorkerId};
use crate::status::RunStatus;

/// Why a statement about runs did not happen.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// Postgres did not answer or refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The attempt no longer owns its run; the caller must stop and change nothing.
    #[error("attempt {number} of run {run_id} no longer holds its lease")]
    LeaseLost {
        /// The run.
        run_id: RunId,
        /// Number of the attempt that lost it.
        number: i32,
    },
    /// No such run.
    #[error("no training run {0}")]
    UnknownRun(RunId),
    /// No such worker.
    #[error("no worker {0}")]
    UnknownWorker(WorkerId),
    /// The worker has stopped: there is nothing left to ask of it.
    #[error("worker {0} has stopped already")]
    WorkerStopped(WorkerId),
    /// The run is in a state in which this cannot be done.
    #[error("run {run_id} is {status}: {why}")]
    WrongState {
        /// The run.
        run_id: RunId,
        /// Its status.
        status: RunStatus,
        /// What would be needed.
        why: &'static str,
    },
    /// The same idempotency key came with another body.
    #[error("idempotency key `{0}` was used before with another request body: use a new key")]
    IdempotencyMismatch(String),
    /// A document in the snapshot was erased: nothing may be made of it any more, and another attempt builds one without it.
    #[error("dataset snapshot {0} was given up because a document in it was erased")]
    DatasetErased(DatasetId),
    /// A row that breaks a rule of this crate.
    #[error("broken row in {table}, id {id}: {what}")]
    BrokenRow {
        /// Table of the row.
        table: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with it.
        what: String,
    },
}

impl RunsError {
    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(_) | Self::DatasetErased(_))
    }

    /// Whether Postgres could not be reached or was going away: the same statement may be answered in a moment.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Database(error) if is_outage(error))
    }
}

/// Whether Postgres could not be reached or was going away. A statement that it refused for its content is none, nor is a full disk:
/// asking again would only be refused again.
#[must_use]
pub fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        // class 08: connection exceptions; 25006: a standby, or read only for a while; 53300: no connection left;
        // 57P01-57P03: shut down, crashed, starting up
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("08") || matches!(&*code, "25006" | "53300" | "57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}
