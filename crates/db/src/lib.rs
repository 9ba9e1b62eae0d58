//! What all users of Postgres share: error classification, advisory locks, leader election, back-off.

mod advisory_lock;
mod backoff;
mod error_class;
mod leader;
mod one_row;
mod warn_once;

pub use advisory_lock::{AdvisoryLock, IDEMPOTENCY_KEY_SEED, LeaderLock};
pub use backoff::Backoff;
pub use error_class::{is_transient, is_unavailable};
pub use leader::{LeaderError, LeaderOptions, LeaderTask, run_as_leader};
pub use one_row::ensure_one_row;
pub use warn_once::WarnOnce;
