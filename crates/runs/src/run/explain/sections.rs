//! Parts that several explanations share: commands, next steps, the history of attempts.

use serde::Serialize;
use utoipa::ToSchema;

use super::advice::advice;
use super::facts::{AttemptFacts, RunFacts};
use super::format::duration;
use crate::run::status::{AttemptStatus, RunStatus};

/// Explanation of a run, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Explanation {
    /// Status of the run.
    pub status: RunStatus,
    /// The explanation in one sentence.
    pub summary: String,
    /// Supporting facts, most important first.
    pub facts: Vec<String>,
    /// What to do next.
    pub next_steps: Vec<String>,
}

/// A CLI command for this run.
pub(super) fn command(facts: &RunFacts, command: &str) -> String {
    format!("aprendiz run {command} {}", facts.run.id)
}

/// What to do about an error code, for this run.
pub(super) fn next_step(facts: &RunFacts, code: &str) -> String {
    match advice(code) {
        Some(advice) => with_retried_run(facts, advice).replace(" ID", &format!(" {}", facts.run.id)),
        None => format!("error code `{code}` is unknown to this version: read the error text and check the worker's log"),
    }
}

/// A run of a sweep is retried with its sweep.
fn with_retried_run(facts: &RunFacts, advice: &str) -> String {
    match facts.run.parent_run_id.filter(|_| facts.run.sweep_role.is_some()) {
        Some(sweep) => advice.replace("run retry ID", &format!("run retry {sweep} (its sweep)")),
        None => advice.to_owned(),
    }
}

/// One line per attempt since the last manual retry.
pub(super) fn history(facts: &RunFacts) -> Vec<String> {
    let mut lines = Vec::new();
    if facts.first_attempt > 1 {
        lines.push(format!("attempts before attempt {} no longer count: the run was retried manually", facts.first_attempt));
    }
    lines.extend(facts.attempts.iter().filter(|attempt| attempt.number >= facts.first_attempt).map(|attempt| line(facts, attempt)));
    lines
}

fn line(facts: &RunFacts, attempt: &AttemptFacts) -> String {
    let elapsed = duration(attempt.finished_at.unwrap_or(facts.now) - attempt.started_at);
    let outcome = match attempt.status {
        AttemptStatus::Running => format!("running for {elapsed}"),
        AttemptStatus::Succeeded => format!("succeeded after {elapsed}"),
        AttemptStatus::Cancelled => format!("cancelled after {elapsed}"),
        AttemptStatus::Released => {
            let why = match facts.trials {
                Some(_) => "it waits for its trials without a slot",
                None => "its worker shut down, or another run is building its snapshot",
            };
            format!("released after {elapsed}: {why} (does not count)")
        }
        AttemptStatus::Lost => format!("lost after {elapsed}: its worker stopped renewing the lease"),
        AttemptStatus::Failed => {
            let code = attempt.error_code.as_deref().unwrap_or("unknown");
            match &attempt.error_text {
                Some(text) => format!("failed after {elapsed}: {text} ({code})"),
                None => format!("failed after {elapsed} ({code})"),
            }
        }
    };
    let resumed = attempt.resumed_from_step.map(|step| format!(", resumed from step {step}")).unwrap_or_default();
    format!("attempt {} on {}: {outcome}{resumed}", attempt.number, attempt.host)
}
