//! Explanation of runs that a worker executes, or is cancelling.

use chrono::TimeDelta;

use super::facts::{AttemptFacts, RunFacts};
use super::format::{duration, seconds, timestamp};
use super::sections::{Explanation, command, history};
use crate::background_tasks::BackgroundTask;
use crate::run::status::{AttemptStatus, RunPhase};

/// Minimum fraction of a phase from which the remaining time is estimated.
const MIN_FRACTION: f64 = 0.02;

pub(super) fn running(facts: &RunFacts) -> Explanation {
    let attempt = current_attempt(facts);
    let host = host(attempt);
    let elapsed = facts.phase_since.map(|at| format!(" for {}", duration(facts.now - at))).unwrap_or_default();
    let summary = match facts.run.phase {
        Some(phase) => format!("{} on {host}{elapsed}{}", activity(phase), progress(facts)),
        None => format!("running on {host}"),
    };
    let mut lines = details(facts, attempt);
    lines.extend(earlier_attempts(facts));
    let next_steps = if has_expired(facts, attempt) {
        vec![match facts.overdue(BackgroundTask::Reaper) {
            Some(overdue) => format!("{overdue}, so the run is not taken back: check the log of aprendiz serve, and run aprendiz doctor"),
            None => "nothing: the reaper of aprendiz serve takes the run back within seconds, and another worker resumes it".to_owned(),
        }]
    } else {
        vec![format!("nothing; to follow it: {}", command(facts, "watch"))]
    };
    Explanation { status: facts.run.status, summary, facts: lines, next_steps }
}

pub(super) fn cancelling(facts: &RunFacts) -> Explanation {
    let attempt = current_attempt(facts);
    let host = host(attempt);
    let ago = facts.run.cancel_requested_at.map(|at| format!(" {} ago", duration(facts.now - at))).unwrap_or_default();
    let by = facts.cancelled_by.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    let expired = has_expired(facts, attempt);
    let overdue = facts.overdue(BackgroundTask::Reaper);
    let outcome = if let (true, Some(overdue)) = (expired, &overdue) {
        format!("the worker on {host} is lost, and the run is not ended, because {overdue}")
    } else if expired {
        format!("the worker on {host} is lost, and the reaper ends the run within seconds")
    } else {
        format!("the worker on {host} stops it within seconds")
    };
    let mut lines = details(facts, attempt);
    lines.extend(earlier_attempts(facts));
    let mut next_steps = Vec::new();
    if expired {
        next_steps.push(match overdue {
            Some(_) => "check the log of aprendiz serve, and run aprendiz doctor".to_owned(),
            None => "if this persists, check that a reaper is running (aprendiz serve without --no-reaper)".to_owned(),
        });
    } else if let Some(attempt) = attempt {
        next_steps.push(format!("nothing: it ends at the latest when its lease expires, at {}", timestamp(attempt.lease_expires_at)));
    }
    Explanation { status: facts.run.status, summary: format!("cancellation requested{by}{ago}; {outcome}"), facts: lines, next_steps }
}

fn current_attempt(facts: &RunFacts) -> Option<&AttemptFacts> {
    facts.attempts.iter().rev().find(|attempt| attempt.number == facts.run.attempt_number && attempt.status == AttemptStatus::Running)
}

fn host(attempt: Option<&AttemptFacts>) -> &str {
    attempt.map_or("an unknown host", |attempt| attempt.host.as_str())
}

fn has_expired(facts: &RunFacts, attempt: Option<&AttemptFacts>) -> bool {
    attempt.is_none_or(|attempt| attempt.lease_expires_at < facts.now)
}

const fn activity(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Dataset => "building or downloading its dataset snapshot",
        RunPhase::Train => "training",
        RunPhase::Evaluate => "evaluating",
        RunPhase::Predict => "predicting documents",
        RunPhase::Upload => "uploading files",
        RunPhase::Publish => "publishing",
    }
}

fn fraction(facts: &RunFacts) -> Option<f64> {
    facts.run.progress.as_ref()?["fraction"].as_f64().map(|fraction| fraction.clamp(0.0, 1.0))
}

/// Fraction of the phase that is done, and the remaining time at the same speed.
fn progress(facts: &RunFacts) -> String {
    let Some(fraction) = fraction(facts) else {
        return String::new();
    };
    let elapsed = facts.phase_since.map(|since| facts.now - since).filter(|elapsed| *elapsed > TimeDelta::zero());
    let remaining = match elapsed {
        // a resumed attempt did not do all of it in this time
        Some(elapsed)
            if (MIN_FRACTION..1.0).contains(&fraction)
                && current_attempt(facts).is_none_or(|attempt| attempt.resumed_from_step.is_none()) =>
        {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a phase are far below 2^53")]
            let elapsed = elapsed.num_milliseconds() as f64 / 1000.0;
            format!(", about {} left in this phase", seconds(elapsed * (1.0 - fraction) / fraction))
        }
        _ => String::new(),
    };
    format!(": {:.0} % done{remaining}", fraction * 100.0)
}

fn details(facts: &RunFacts, attempt: Option<&AttemptFacts>) -> Vec<String> {
    let run = &facts.run;
    let mut lines = Vec::new();
    if let Some(attempt) = attempt {
        let number = if attempt.number == run.attempts_used {
            format!("attempt {} of {}", attempt.number, run.max_attempts)
        } else {
            format!("attempt {}, which counts as {} of {}", attempt.number, run.attempts_used, run.max_attempts)
        };
        lines.push(format!("{number}, claimed {} ago", duration(facts.now - attempt.started_at)));
        lines.push(if attempt.lease_expires_at < facts.now {
            format!("its lease expired {} ago: the worker no longer renews it", duration(facts.now - attempt.lease_expires_at))
        } else {
            format!("its lease expires at {} unless the worker renews it", timestamp(attempt.lease_expires_at))
        });
        if let Some(step) = attempt.resumed_from_step {
            lines.push(format!("training resumed from the checkpoint of step {step}"));
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
        parts.extend(number("documents").zip(number("documents_total")).map(|(done, total)| format!("{done} of {total} documents")));
        parts.extend(number("epoch").map(|epoch| match number("epochs") {
            Some(epochs) => format!("epoch {epoch} of at most {epochs}"),
            None => format!("epoch {epoch}"),
        }));
        parts.extend(progress["loss"].as_f64().map(|loss| format!("loss {loss:.4}")));
        if !parts.is_empty() {
            lines.push(parts.join(", "));
        }
    }
    if let Some(step) = facts.checkpoint_step {
        lines.push(format!("latest checkpoint: step {step}; another worker can resume from there"));
    }
    lines
}

/// The attempts before the current one.
fn earlier_attempts(facts: &RunFacts) -> Vec<String> {
    if facts.run.attempt_number <= facts.first_attempt {
        return Vec::new();
    }
    let mut lines = history(facts);
    lines.pop();
    lines
}
