//! Manual retry of failed or cancelled runs: one run, or all that match a filter.

mod bulk;
mod requeue;

pub use bulk::{RetriedRuns, RetryFilter, retry_runs};
pub use requeue::retry_run;
