//! The error of this crate.

use aprendiz_db::RetryReason;
use uuid::Uuid;

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
    /// Cancellation of the run was requested, so the attempt must not complete it. The attempt still owns the run and ends it as cancelled.
    #[error("cancellation of run {run_id} was requested during attempt {number}")]
    CancelRequested {
        /// The run.
        run_id: RunId,
        /// Number of the attempt.
        number: i32,
    },
    /// The run does not exist.
    #[error("training run {0} not found")]
    UnknownRun(RunId),
    /// The queue does not exist.
    #[error("queue `{name}` not found{}", if known.is_empty() { String::new() } else { format!(": there are {}; `aprendiz queue set` creates one", known.join(", ")) })]
    UnknownQueue {
        /// Its name.
        name: String,
        /// The queues that exist, if they were read.
        known: Vec<String>,
    },
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
    /// The model does not exist.
    #[error("model `{0}` not found")]
    UnknownModel(String),
    /// The model has no such version.
    #[error("model `{model}` has no version {number}")]
    UnknownVersion {
        /// Name of the model.
        model: String,
        /// Number of the version.
        number: i32,
    },
    /// The version was retired.
    #[error("model `{model}` version {number} is retired: it answers nothing and cannot be promoted")]
    VersionRetired {
        /// Name of the model.
        model: String,
        /// Number of the version.
        number: i32,
    },
    /// An alias names the version, so it cannot be retired.
    #[error("model `{model}` version {number} is {aliases}: promote another version first, or retire it with `force`")]
    VersionAliased {
        /// Name of the model.
        model: String,
        /// Number of the version.
        number: i32,
        /// Its aliases, joined.
        aliases: String,
    },
    /// Something needs the files of the version, so they cannot be deleted.
    #[error("the files of model `{model}` version {number} cannot be deleted: {}", references.join("; "))]
    VersionInUse {
        /// Name of the model.
        model: String,
        /// Number of the version.
        number: i32,
        /// What needs them, in sentences.
        references: Vec<String>,
    },
    /// The model has no such alias.
    #[error("model `{model}` has no alias `{alias}`")]
    NoAlias {
        /// Name of the model.
        model: String,
        /// Name of the alias.
        alias: String,
    },
    /// The alias was changed since it was read.
    #[error("the alias `{alias}` was changed meanwhile{}", number.map_or_else(String::new, |number| format!(" and names version {number} now")))]
    AliasChanged {
        /// Name of the alias.
        alias: String,
        /// Version that it names now.
        number: Option<i32>,
    },
    /// The alias named no other version before.
    #[error("the alias `{alias}` has no earlier version than {number} to go back to")]
    NothingToRollBackTo {
        /// Name of the alias.
        alias: String,
        /// Version that it names.
        number: i32,
    },
    /// The settings of the model were changed since they were read.
    #[error("the settings of model `{model}` were changed meanwhile: they are at revision {revision} now")]
    ModelChanged {
        /// Name of the model.
        model: String,
        /// Current revision.
        revision: i32,
    },
    /// The promotion request does not exist.
    #[error("promotion request {0} not found")]
    UnknownPromotionRequest(Uuid),
    /// The promotion request was decided before.
    #[error("promotion request {id} is {state} already")]
    PromotionDecided {
        /// The request.
        id: Uuid,
        /// Its state.
        state: String,
    },
    /// The key that requested a promotion cannot approve it.
    #[error("promotion request {0} was made with this key: another key must approve it")]
    OwnPromotion(Uuid),
    /// A tag or a note is not valid.
    #[error("{0}")]
    InvalidLabel(String),
    /// The operating system provides no random bytes, so no secret can be made.
    #[error("the operating system provides no random bytes: {0}")]
    NoRandomBytes(String),
    /// An active API key has this name.
    #[error("an API key that is not revoked is named `{0}`: choose another name, or revoke that key first with `aprendiz api-key revoke`")]
    KeyNameTaken(String),
    /// The API key has expired.
    #[error("the API key `{name}` expired at {}: an admin can create another one", at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))]
    KeyExpired {
        /// Its name.
        name: String,
        /// When it expired.
        at: chrono::DateTime<chrono::Utc>,
    },
    /// No key could manage keys any more.
    #[error("`{0}` is the only active API key with the role admin for all projects: create another one first, or revoke it with `force`")]
    LastAdminKey(String),
    /// The identity was revoked here, whatever its provider says.
    #[error("`{0}` was revoked: `aprendiz api-key restore` lets it in again")]
    IdentityRevoked(String),
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

    /// Why the same transaction should be repeated: Postgres is temporarily unavailable, or a concurrent transaction caused a conflict.
    #[must_use]
    pub fn retry_reason(&self) -> Option<RetryReason> {
        if let Self::Database(error) = self { aprendiz_db::retry_reason(error) } else { None }
    }
}
