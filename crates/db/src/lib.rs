//! What all users of Postgres share: error classification, checks of encoding and rights, advisory locks, leader election, back-off.

mod advisory_lock;
mod backoff;
mod error_class;
mod leader;
mod one_row;
mod setup;
mod warn_once;

pub use advisory_lock::{AdvisoryLock, IDEMPOTENCY_KEY_SEED, LeaderLock};
pub use backoff::Backoff;
pub use error_class::{is_transient, is_unavailable};
pub use leader::{LeaderError, LeaderOptions, LeaderTask, run_as_leader};
pub use one_row::ensure_one_row;
pub use setup::{SEQUENCES, TABLES, missing_privilege, missing_right_to_migrate, missing_rights, unusable_encoding};
pub use warn_once::WarnOnce;
