//! Runs that a worker holds: what they do, and what a cancellation waits for.

use chrono::TimeDelta;

use super::facts::{AttemptFacts, Facts};
use super::phrase::{moment, seconds, span};
use super::words::{Explanation, command, explanation, history};
use crate::status::{AttemptStatus, RunPhase};

/// With less of the phase done than this, no remaining time is derived.
const LEAST_FRACTION: f64 = 0.02;

pub(super) fn running(facts: &Facts) -> Explanation {
    let attempt = current(facts);
    let host = attempt.map_or("an unknown host", |attempt| attempt.host.as_str());
    let since = facts.phase_since.map(|at| format!(" for {}", span(facts.now - at))).unwrap_or_default();
    let summary = match facts.run.phase {
        Some(phase) => format!("it {} on {host}{since}{}", does(phase), done(facts)),
        None => format!("it runs on {host}"),
    };
    let mut said = doing(facts, attempt);
    said.extend(earlier(facts));
    let next_steps = if has_expired(facts, attempt) {
        vec!["wait: the reaper of aprendiz serve takes the run back within seconds, and another worker continues it".to_owned()]
    } else {
        vec![format!("nothing: follow it with {}", command(facts, "watch"))]
    };
    explanation(facts, summary, said, next_steps)
}

pub(super) fn cancelling(facts: &Facts) -> Explanation {
    let attempt = current(facts);
    let host = attempt.map_or("an unknown host", |attempt| attempt.host.as_str());
    let who = facts.cancelled_by.as_deref().unwrap_or("someone");
    let asked = facts.run.cancel_requested_at.map(|at| format!(" {} ago", span(facts.now - at))).unwrap_or_default();
    let expired = has_expired(facts, attempt);
    let summary = if expired {
        format!("{who} asked{asked} to cancel it; its worker on {host} is gone, and the reaper ends the run within seconds")
    } else {
        format!("{who} asked{asked} to cancel it; its worker on {host} stops it within seconds")
    };
    let mut said = doing(facts, attempt);
    said.extend(earlier(facts));
    let mut next_steps = Vec::new();
    if expired {
        next_steps.push("if it stays so: is a reaper running? (aprendiz serve without --no-reaper)".to_owned());
    } else if let Some(attempt) = attempt {
        next_steps.push(format!("nothing: at the latest it ends when the lease does, at {}", moment(attempt.lease_expires_at)));
    }
    explanation(facts, summary, said, next_steps)
}

fn current(facts: &Facts) -> Option<&AttemptFacts> {
    facts.attempts.iter().rev().find(|attempt| attempt.number == facts.run.attempt_number && attempt.status == AttemptStatus::Running)
}

fn has_expired(facts: &Facts, attempt: Option<&AttemptFacts>) -> bool {
    attempt.is_none_or(|attempt| attempt.lease_expires_at < facts.now)
}

const fn does(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Dataset => "builds or fetches its dataset snapshot",
        RunPhase::Train => "trains",
        RunPhase::Evaluate => "is being evaluated",
        RunPhase::Upload => "uploads its files",
        RunPhase::Publish => "publishes",
    }
}

fn fraction(facts: &Facts) -> Option<f64> {
    facts.run.progress.as_ref()?["fraction"].as_f64().map(|fraction| fraction.clamp(0.0, 1.0))
}

/// Share of the phase, and how long the rest takes if it goes on like this.
fn done(facts: &Facts) -> String {
    let Some(fraction) = fraction(facts) else {
        return String::new();
    };
    let elapsed = facts.phase_since.map(|since| facts.now - since).filter(|elapsed| *elapsed > TimeDelta::zero());
    let rest = match elapsed {
        // what was resumed was not done in this time
        Some(elapsed)
            if (LEAST_FRACTION..1.0).contains(&fraction) && current(facts).is_none_or(|attempt| attempt.resumed_from_step.is_none()) =>
        {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a phase are far below 2^53")]
            let elapsed = elapsed.num_milliseconds() as f64 / 1000.0;
            format!(", about {} left in this phase", seconds(elapsed * (1.0 - fraction) / fraction))
        }
        _ => String::new(),
    };
    format!(": {:.0} % done{rest}", fraction * 100.0)
}

fn doing(facts: &Facts, attempt: Option<&AttemptFacts>) -> Vec<String> {
    let run = &facts.run;
    let mut said = Vec::new();
    if let Some(attempt) = attempt {
        let counted = format!("attempt {} (number {} of {} that count)", attempt.number, run.attempts_used, run.max_attempts);
        said.push(format!("{counted}, claimed {} ago", span(facts.now - attempt.started_at)));
        said.push(if attempt.lease_expires_at < facts.now {
            format!("its lease ran out {} ago: the worker no longer renews it", span(facts.now - attempt.lease_expires_at))
        } else {
            format!("its lease lasts until {} and is renewed while the worker lives", moment(attempt.lease_expires_at))
        });
        if let Some(step) = attempt.resumed_from_step {
            said.push(format!("training was continued from the checkpoint of step {step}"));
        }
    }
    if let Some(progress) = &run.progress {
        let number = |key: &str| progress[key].as_u64();
        let mut parts: Vec<String> = Vec::new();
        parts.extend(progress["stage"].as_str().map(|stage| format!("stage {stage}")));
        parts.extend(progress["field"].as_str().map(|field| format!("field {field}")));
        parts.extend(number("step").map(|step| match number("steps") {
            Some(steps) => format!("step {step} of {steps}"),
            None => format!("step {step}"),
        }));
        parts.extend(number("epoch").map(|epoch| match number("epochs") {
            Some(epochs) => format!("epoch {epoch} of at most {epochs}"),
            None => format!("epoch {epoch}"),
        }));
        parts.extend(progress["loss"].as_f64().map(|loss| format!("loss {loss:.4}")));
        if !parts.is_empty() {
            said.push(parts.join(", "));
        }
    }
    if let Some(step) = facts.checkpoint_step {
        said.push(format!("its newest checkpoint is of step {step}: another worker can continue from there"));
    }
    said
}

/// What became of the attempts before this one.
fn earlier(facts: &Facts) -> Vec<String> {
    if facts.run.attempt_number <= facts.first_attempt {
        return Vec::new();
    }
    let mut lines = history(facts);
    lines.pop();
    lines
}
