//! Runs that have ended: what came of them, and what can be done now.

use super::facts::Facts;
use super::phrase::{moment, span};
use super::words::{Explanation, command, explanation, history, next_step};
use crate::failure::WORKER_KILLED;
use crate::status::RunKind;

pub(super) fn succeeded(facts: &Facts) -> Explanation {
    let run = &facts.run;
    let took = match (run.started_at, run.finished_at) {
        (Some(started), Some(finished)) => format!(" after {}", span(finished - started)),
        _ => String::new(),
    };
    let mut said: Vec<String> = run.finished_at.map(|at| format!("it ended at {}", moment(at))).into_iter().collect();
    said.extend(headline(facts));
    said.extend(run.dataset_id.map(|id| format!("its dataset snapshot is {id}")));
    let (summary, next_steps) = match run.model_version {
        Some(version) => (
            format!("it succeeded{took} and published {} version {version}", run.model),
            vec![
                format!("all numbers: {}", command(facts, "get")),
                format!("the model: aprendiz model download {} --number {version}", run.model),
            ],
        ),
        None if run.dataset_only => (
            format!("it succeeded{took}: the dataset snapshot is built, and nothing more was asked for"),
            vec![format!("the snapshot: aprendiz dataset download {}", run.id)],
        ),
        None => (format!("it succeeded{took}: the stored predictions are scored"), vec![format!("all numbers: {}", command(facts, "get"))]),
    };
    said.extend(history(facts));
    explanation(facts, summary, said, next_steps)
}

pub(super) fn failed(facts: &Facts) -> Explanation {
    let run = &facts.run;
    let code = run.error_code.as_deref().unwrap_or("unknown");
    let text = run.error_text.as_deref().unwrap_or("no reason was recorded");
    let mut said = Vec::new();
    if code == WORKER_KILLED {
        said.push(
            "it is in quarantine: its training process was killed by a signal in two attempts, most likely for want of memory, and must \
             not go from worker to worker"
                .to_owned(),
        );
    } else if run.attempts_used >= run.max_attempts {
        said.push(match run.max_attempts {
            1 => "the one attempt that was allowed is used up".to_owned(),
            all => format!("all {all} attempts are used up"),
        });
    } else {
        said.push("another attempt would fail the same way, so none was made".to_owned());
    }
    said.extend(run.finished_at.map(|at| format!("it failed at {}, {} ago", moment(at), span(facts.now - at))));
    said.extend(history(facts));
    explanation(facts, format!("it failed: {text} ({code})"), said, vec![next_step(facts, code)])
}

pub(super) fn cancelled(facts: &Facts) -> Explanation {
    let run = &facts.run;
    let who = facts.cancelled_by.as_deref().unwrap_or("someone");
    let at = run.finished_at.map(|at| format!(" at {}", moment(at))).unwrap_or_default();
    let mut said = Vec::new();
    if run.started_at.is_none() {
        said.push("no worker had begun it".to_owned());
    }
    if let Some(step) = facts.checkpoint_step {
        said.push(format!("training can continue from the checkpoint of step {step}"));
    }
    said.extend(history(facts));
    let next_steps = vec![format!("to run it after all: {}", command(facts, "retry"))];
    explanation(facts, format!("{who} cancelled it{at}"), said, next_steps)
}

/// The numbers that people look at first, over all fields.
fn headline(facts: &Facts) -> Option<String> {
    if facts.headline.is_empty() {
        return None;
    }
    let split = if facts.run.kind == RunKind::Evaluate { "on all reviewed values" } else { "on the test split" };
    let numbers: Vec<String> = facts
        .headline
        .iter()
        .map(|(_, name, value)| match name.as_str() {
            "n" | "pairs" => format!("{name} {value:.0}"),
            name => format!("{} {value:.3}", name.replace('_', " ")),
        })
        .collect();
    Some(format!("{split}, over all fields: {}", numbers.join(", ")))
}
