//! What a training run is, and every statement that changes one.
//!
//! Postgres is the truth about runs. Every change of state here is a compare-and-set: the `WHERE` names the state and
//! attempt it expects, and the number of rows changed is checked. Functions take a connection, so that the caller owns
//! the transaction. Not here: documents and annotations (`annotations`), what a snapshot contains (`dataset`), Redis (`queue`).

mod api_key;
mod attempt;
mod audit;
mod base_model;
mod bulk_retry;
mod checkpoint;
mod claim;
mod clone;
mod create;
mod dataset;
mod dataset_build;
mod embedding;
mod ending;
mod error;
mod event;
mod explain;
mod failure;
mod figures;
mod fleet;
mod ids;
mod lease;
mod metric;
mod model;
mod object;
mod outbox;
mod position;
mod progress;
mod publish;
mod queue_stats;
mod reap;
mod run;
mod spec;
mod status;
mod sweep;
mod worker;

pub use api_key::{ApiKey, NewApiKey, Role, authenticate, create_api_key, list_api_keys, revoke_api_key};
pub use attempt::{Attempt, AttemptKey, attempts_of, has_succeeded};
pub use audit::{AuditEntry, AuditFilter, list_audit, record_audit};
pub use base_model::{BaseModelName, DEFAULT_BASE_MODEL};
pub use bulk_retry::{RetriedRuns, RetryFilter, retry_runs};
pub use checkpoint::{Checkpoint, NewCheckpoint, checkpoints_of, record_checkpoint, record_resume};
pub use claim::{Claim, claim_next};
pub use clone::clone_run;
pub use create::{CreateRun, Created, create_run};
pub use dataset::{DatasetRecord, get_dataset};
pub use dataset_build::{DatasetBuild, begin_dataset_build, end_dataset_builds};
pub use embedding::{EmbeddingFile, EmbeddingLimits, NewEmbeddingFile, list_embedding_files, record_embeddings};
pub use ending::{cancel_attempt, release_attempt};
pub use error::{RunsError, is_outage};
pub use event::{RunEvent, events_after, record_attempt_event};
pub use explain::{Explanation, Facts, explain_facts, words};
pub use failure::{Failure, FailureOutcome, fail_attempt, retry_delay};
pub use figures::{Figures, read_figures};
pub use fleet::{CurrentRun, FleetWorker, WorkerFilter, WorkerState, ask_to_drain, get_worker, list_workers};
pub use ids::{DatasetId, ModelVersionId, RunId, WorkerId};
pub use lease::{cancel_was_requested, hold_fence, renew_lease};
pub use metric::{Metric, NewMetric, metrics_of};
pub use model::{ModelSummary, ModelVersion, find_version, list_models, list_versions, version_of_run};
pub use object::{ObjectOwner, confirm_object, declare_objects, publish_objects};
pub use outbox::{announced, due_announcements, next_due_in};
pub use position::resolve_position;
pub use progress::{enter_phase, record_progress, use_dataset};
pub use publish::{NewModelVersion, publish};
pub use queue_stats::{AttemptCounts, QueueStats, RunCounts, SlotCounts, Times, WorkerCounts, queue_stats};
pub use reap::{Reaped, reannounce_unclaimed, reap_expired_leases};
pub use run::{RunFilter, TrainingRun, cancel_run, documents_of, get_run, list_runs, retry_run};
pub use spec::{DataFilter, DataSpec, ModelName, PairsOf, PairsSpec, RunSpec, SpecError};
pub use status::{AttemptStatus, EventKind, RunKind, RunPhase, RunStatus};
pub use sweep::{
    CondemnedObject, Reference, condemn_pending_objects, condemned_objects, discard_checkpoints, discard_ended_checkpoints, forget_object,
    note_upload, references_to,
};
pub use worker::{NewWorker, WorkerOrders, heartbeat_worker, register_worker, stop_worker};
