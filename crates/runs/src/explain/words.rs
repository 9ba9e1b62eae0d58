//! From facts to sentences. Pure: whatever can be the case has a unit test.

use serde::Serialize;
use utoipa::ToSchema;

use super::advice::advice;
use super::facts::{AttemptFacts, Facts};
use super::phrase::span;
use super::{ended, waiting, working};
use crate::status::{AttemptStatus, RunStatus};

/// A run in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Explanation {
    /// Where the run is in its life.
    pub status: RunStatus,
    /// The answer in one sentence.
    pub summary: String,
    /// What it rests on, most important first.
    pub facts: Vec<String>,
    /// What can be done, if anything has to be.
    pub next_steps: Vec<String>,
}

/// Says why a run waits, what it does, or why it ended, and what to do next.
#[must_use]
pub fn words(facts: &Facts) -> Explanation {
    match facts.run.status {
        RunStatus::Queued => waiting::queued(facts),
        RunStatus::Retrying => waiting::retrying(facts),
        RunStatus::Running => working::running(facts),
        RunStatus::Cancelling => working::cancelling(facts),
        RunStatus::Succeeded => ended::succeeded(facts),
        RunStatus::Failed => ended::failed(facts),
        RunStatus::Cancelled => ended::cancelled(facts),
    }
}

/// An explanation of this run.
pub(super) fn explanation(facts: &Facts, summary: String, said: Vec<String>, next_steps: Vec<String>) -> Explanation {
    Explanation { status: facts.run.status, summary, facts: said, next_steps }
}

/// A command about this run.
pub(super) fn command(facts: &Facts, command: &str) -> String {
    format!("aprendiz run {command} {}", facts.run.id)
}

/// What to do about a failure code, for this run.
pub(super) fn next_step(facts: &Facts, code: &str) -> String {
    match advice(code) {
        Some(advice) => advice.replace(" ID", &format!(" {}", facts.run.id)),
        None => format!("this version does not know the code `{code}`: read the text, and look into the worker's log"),
    }
}

/// A line for each attempt since the run was last retried by hand.
pub(super) fn history(facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if facts.first_attempt > 1 {
        lines.push(format!("attempts before attempt {} no longer count: the run was retried by hand since", facts.first_attempt));
    }
    lines.extend(facts.attempts.iter().filter(|attempt| attempt.number >= facts.first_attempt).map(|attempt| line(facts, attempt)));
    lines
}

fn line(facts: &Facts, attempt: &AttemptFacts) -> String {
    let took = span(attempt.finished_at.unwrap_or(facts.now) - attempt.started_at);
    let how = match attempt.status {
        AttemptStatus::Running => format!("running for {took}"),
        AttemptStatus::Succeeded => format!("succeeded after {took}"),
        AttemptStatus::Cancelled => format!("cancelled after {took}"),
        AttemptStatus::Released => {
            format!("handed back after {took}, because its worker shut down or another run builds its snapshot (does not count)")
        }
        AttemptStatus::Lost => format!("lost after {took}: its worker stopped renewing the lease"),
        AttemptStatus::Failed => {
            let code = attempt.error_code.as_deref().unwrap_or("unknown");
            match &attempt.error_text {
                Some(text) => format!("failed after {took}: {text} ({code})"),
                None => format!("failed after {took} ({code})"),
            }
        }
    };
    let resumed = attempt.resumed_from_step.map(|step| format!(", continued from step {step}")).unwrap_or_default();
    format!("attempt {} on {}: {how}{resumed}", attempt.number, attempt.host)
}
