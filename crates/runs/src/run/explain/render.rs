//! Renders facts as an explanation. Pure, so that every case has a unit test.

use super::facts::RunFacts;
use super::sections::Explanation;
use super::{ended, running, waiting};
use crate::run::status::RunStatus;

/// Explains why a run waits, what it does, or why it ended, and what to do next.
#[must_use]
pub fn render_explanation(facts: &RunFacts) -> Explanation {
    match facts.run.status {
        RunStatus::Queued => waiting::queued(facts),
        RunStatus::Retrying => waiting::retrying(facts),
        RunStatus::Running => running::running(facts),
        RunStatus::Cancelling => running::cancelling(facts),
        RunStatus::Succeeded => ended::succeeded(facts),
        RunStatus::Failed => ended::failed(facts),
        RunStatus::Cancelled => ended::cancelled(facts),
    }
}
