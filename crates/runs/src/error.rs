//! The error of this crate.

use crate::ids::{DatasetId, RunId, WorkerId};
use crate::run::status::RunStatus;

/// Why a statement about runs failed.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// Postgres did not answer, or rejected the statement.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The attempt no longer owns its run. The caller must stop and change nothing.
    #[error("attempt {number} of run {run_id} no longer holds its lease")]
    LeaseLost {
        /// The run.
        run_id: RunId,
        /// Number of the attempt that lost it.
        number: i32,
    },
    /// The run does not exist.
    #[error("training run {0} not found")]
    UnknownRun(RunId),
    /// The worker does not exist.
    #[error("worker {0} not found")]
    UnknownWorker(WorkerId),
    /// The worker has stopped and cannot be drained.
    #[error("worker {0} has already stopped")]
    WorkerStopped(WorkerId),
    /// The status of the run does not allow this.
    #[error("run {run_id} is {status}: {why}")]
    WrongState {
        /// The run.
        run_id: RunId,
        /// Its status.
        status: RunStatus,
        /// Which status is required.
        why: &'static str,
    },
    /// The idempotency key was used with another request body.
    #[error("idempotency key `{0}` was already used with another request body: use a new key")]
    IdempotencyMismatch(String),
    /// A document in the snapshot was erased: nothing may be derived from it any more. The next attempt builds a snapshot without it.
    #[error("dataset snapshot {0} was invalidated because a document in it was erased")]
    DatasetErased(DatasetId),
    /// A tag or a note is not valid.
    #[error("{0}")]
    InvalidLabel(String),
    /// The operating system provides no random bytes, so no secret can be made.
    #[error("the operating system provides no random bytes: {0}")]
    NoRandomBytes(String),
    /// A row violates a rule of this crate.
    #[error("invalid row in {table}, id {id}: {what}")]
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
    /// Whether another attempt may succeed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(_) | Self::DatasetErased(_))
    }

    /// Whether the same transaction should be repeated: Postgres is temporarily unavailable, or a concurrent transaction caused a conflict.
    #[must_use]
    pub fn must_be_repeated(&self) -> bool {
        matches!(self, Self::Database(error) if aprendiz_db::retry_reason(error).is_some())
    }
}
