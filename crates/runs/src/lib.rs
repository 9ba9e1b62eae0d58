//! Training runs and what belongs to them: every statement that reads or changes one.
//!
//! Postgres is the only truth about runs. Every change of state is a compare-and-set: the `WHERE` clause names the expected state and
//! attempt, and the number of changed rows is checked. Functions take a connection, so that the caller owns the transaction.
//!
//! Documents and annotations are in `annotations`, the content of snapshots in `dataset`, Redis in `queue`.

mod access;
mod background_tasks;
mod error;
mod find_ids;
mod ids;
mod objects;
mod queues;
mod registry;
mod run;
mod stats;
mod workers;

pub use access::api_keys::{
    ApiKey, ApiKeyGrant, COMMAND_LINE, IDENTITY_PREFIX, NewApiKey, authenticate, check_key_name, create_api_key, find_active_api_key,
    get_api_key, list_api_keys, revoke_api_key, revoke_api_key_but_the_last,
};
pub use access::audit::{AuditEntry, AuditFilter, list_audit, record_audit};
pub use access::identities::{
    IdentityClaims, end_sessions_of_identity, find_identity, mark_sign_in_used, prune_used_sign_ins, register_identity, restore_identity,
    sign_in_identity,
};
pub use access::role::Role;
pub use access::web_sessions::{
    AuthenticatedSession, CreatedWebSession, NewWebSession, WebSession, WebSessionFilter, authenticate_web_session, create_web_session,
    end_all_web_sessions, end_web_session, list_web_sessions, prune_web_sessions, revoke_web_session, touch_web_session,
};
pub use background_tasks::{BackgroundTask, TaskReport, TaskStatus, list_background_tasks, report_task};
pub use error::RunsError;
pub use find_ids::{find_dataset_ids, find_run_ids, find_worker_ids};
pub use ids::{DatasetId, ModelVersionId, RunId, WorkerId};
pub use objects::confirm::{confirm_object, publish_objects};
pub use objects::declare::{ObjectOwner, declare_objects, record_upload_id};
pub use objects::references::{Reference, find_references};
pub use objects::sweep::{PendingDeletion, delete_object_row, list_pending_deletions, mark_abandoned_objects};
pub use queues::list::{QueueInfo, get_queue, list_queues};
pub use queues::set::{QueueChange, set_queue};
pub use registry::aliases::CHAMPION;
pub use registry::aliases::alias::{Alias, find_alias, list_aliases};
pub use registry::aliases::automatic::{AUTOMATIC_ACTOR, list_gates_due, record_automatic_gate};
pub use registry::aliases::change::{Promotion, promote, remove_alias, roll_back};
pub use registry::aliases::event::{AliasAction, AliasEvent, AliasHistoryPosition, ChangedThreshold, list_alias_events};
pub use registry::aliases::request::{
    PromotionRequest, approve_promotion, get_promotion_request, list_promotion_requests, reject_promotion, request_promotion,
};
pub use registry::checkpoints::{
    Checkpoint, NewCheckpoint, discard_checkpoints, discard_ended_checkpoints, list_checkpoints, record_checkpoint, record_resume,
};
pub use registry::datasets::{DatasetRecord, DatasetSummary, get_dataset, list_datasets};
pub use registry::embeddings::{EmbeddingFile, EmbeddingLimits, NewEmbeddingFile, list_embedding_files, record_embeddings};
pub use registry::evaluations::{
    EvaluationPredictions, NewEvaluation, StoredEvaluation, find_evaluation, list_evaluations, publish_evaluation,
};
pub use registry::headline::{FieldHeadline, VersionHeadline, list_headlines};
pub use registry::labels::{MAX_NOTE_CHARS, MAX_TAGS, TagChange, note_run, note_version, tag_run, tag_version};
pub use registry::metrics::{Metric, NewMetric, list_metrics};
pub use registry::models::{ModelSummary, is_model_in_scope, is_model_name_in_scope, list_models};
pub use registry::new_version::NewModelVersion;
pub use registry::publish::publish;
pub use registry::run_errors::{
    ClassScore, ERRORS_METRIC, ErrorCollector, ErrorCounts, ErrorCursor, ErrorFilter, ErrorOrder, MAX_ERRORS_PER_SPLIT, MAX_TOP_CLASSES,
    NewRunError, RunErrorRow, SliceFilter, count_errors, list_errors, record_errors,
};
pub use registry::settings::{FirstVersion, ModelSettings, NewModelSettings, PromotionPolicy, get_model_settings, put_model_settings};
pub use registry::shadow::CHALLENGER;
pub use registry::shadow::prune::{MAX_SHADOW_DISAGREEMENTS, SHADOW_RETENTION_DAYS, prune_shadow};
pub use registry::shadow::read::{
    ShadowCount, ShadowDisagreement, ShadowFilter, ShadowJudgement, count_shadow, count_shadow_drops, judge_shadow,
    list_shadow_disagreements,
};
pub use registry::shadow::record::{ShadowAnswer, ShadowComparison, ShadowDrop, record_shadow, record_shadow_drops};
pub use registry::shadow::target::{ShadowPair, list_shadow_pairs};
pub use registry::slices::list_slice_dimensions;
pub use registry::thresholds::{
    LatestThreshold, ThresholdChange, ThresholdEvent, change_thresholds, list_latest_thresholds, list_threshold_events,
};
pub use registry::version_life::delete_files::delete_version_files;
pub use registry::version_life::retire::retire_version;
pub use registry::version_life::verification::{DifferingFile, Verification, VerificationResult};
pub use registry::version_life::verify::{create_verification, publish_verification};
pub use registry::versions::{ModelVersion, find_version, find_version_by_id, find_version_by_run, list_versions};
pub use run::attempt::{Attempt, AttemptId, Failure, has_succeeded, list_attempts};
pub use run::attempt_end::end_dataset_builds;
pub use run::cancel::{cancel_attempt, cancel_orphaned_trials, cancel_run};
pub use run::claim::{Claim, claim_next};
pub use run::clone::clone_run;
pub use run::create::{CreateRun, Created, create_run};
pub use run::dataset_build::{DatasetBuild, begin_dataset_build};
pub use run::event::{RunEvent, events_after, record_attempt_event};
pub use run::explain::{EquivalentRequest, Explanation, RunFacts, equivalent_requests, load_run_facts, render_explanation};
pub use run::fail::{FailureOutcome, fail_attempt, retry_delay};
pub use run::lease::{cancel_was_requested, lock_attempt, renew_lease};
pub use run::metric_order::{MetricCursor, MetricOrder, RankedRun, list_runs_by_metric};
pub use run::outbox::{delete_published, due_outbox_entries, next_due_in, record_publication};
pub use run::position::resolve_position;
pub use run::progress::{attach_dataset, enter_phase, record_progress};
pub use run::reap::{Reaped, reap_expired_leases, republish_unclaimed};
pub use run::release::release_attempt;
pub use run::retry::{RetriedRuns, RetryFilter, retry_run, retry_runs};
pub use run::status::{AttemptStatus, EventKind, RunPhase, RunStatus, SweepRole};
pub use run::sweep::advance::{SweepStep, advance_sweep};
pub use run::sweep::child::{SweepChild, list_trials};
pub use run::training_run::{RunFilter, TrainingRun, find_run, get_run, list_run_documents, list_runs};
pub use stats::duration::estimate_duration;
pub use stats::installation_stats::{InstallationStats, read_installation_stats};
pub use stats::queue_counts::{AttemptCounts, DurationQuantiles, QueueStats, RunCounts, SlotCounts, WorkerCounts};
pub use stats::queue_stats::queue_stats;
pub use workers::drain::request_drain;
pub use workers::list::{CurrentRun, WorkerFilter, WorkerInfo, WorkerState, get_worker, list_workers};
pub use workers::session::{NewWorker, WorkerCommand, WorkerReport, heartbeat_worker, register_worker, stop_worker};
