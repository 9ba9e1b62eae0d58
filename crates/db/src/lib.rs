//! What all users of Postgres share: transactions and sessions, checks of encoding and rights, migrations, error classification, advisory
//! locks, leader election, back-off, parts of IDs, and tasks that wait for blocking work.

mod advisory_lock;
mod backoff;
mod database;
mod error_class;
mod id_part;
mod leader;
mod one_row;
mod schema;
mod scope;
mod session;
mod setup;
mod shared_sessions;
mod task;
mod warn_once;

pub use advisory_lock::{AdvisoryLock, IDEMPOTENCY_KEY_SEED, LeaderLock, UNIQUE_RUN_SEED};
pub use backoff::Backoff;
pub use database::{Database, ReadConnection};
pub use error_class::{RetryReason, is_transient, retry_reason};
pub use id_part::{IdMatch, IdPart, InvalidIdPart};
pub use leader::{LeaderError, LeaderOptions, LeaderTask, run_as_leader};
pub use one_row::ensure_one_row;
pub use schema::{AppliedMigration, LockWaits, MigrationError, PendingMigration, SchemaReport, SchemaState, apply_migrations, read_schema};
pub use scope::Scope;
pub use session::Session;
pub use setup::{SEQUENCES, TABLES, missing_privilege, missing_right_to_migrate, missing_rights, unusable_database, unusable_encoding};
pub use shared_sessions::{ServerFacts, SharedSessionsError, shares_sessions};
pub use task::{BlockingDrop, resume_panic, run_blocking};
pub use warn_once::WarnOnce;
