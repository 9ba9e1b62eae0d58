//! Runs that wait: for their time, for those before them, for a worker.

use super::facts::{COUNTED, Facts};
use super::phrase::{count, moment, span};
use super::words::{Explanation, command, explanation, history, next_step};
use crate::failure::CHILD_KILLED;

const START_WORKER: &str = "start a worker: aprendiz-worker (aprendiz worker list --all shows those that were)";

const MORE_WORKERS: &str = "wait, or start more workers; a greater `priority` lets a new run go first (aprendiz run clone ID --set priority=10, then cancel this one)";

/// Why a run that could be claimed is not.
struct Obstacle {
    summary: String,
    next_step: String,
}

pub(super) fn queued(facts: &Facts) -> Explanation {
    let run = &facts.run;
    let mut said = Vec::new();
    let mut next_steps = Vec::new();
    let summary = if let Some(builder) = facts.awaited_run {
        next_steps.push(format!("nothing: it goes on by itself when that is done; aprendiz run get {builder} shows how far it is"));
        format!("run {builder} builds the dataset snapshot that it needs as well")
    } else if run.run_after > facts.now {
        let wait = span(run.run_after - facts.now);
        next_steps.push(format!("nothing: it starts by itself; {} stops it", command(facts, "cancel")));
        format!("it waits for its time: not before {} (in {wait})", moment(run.run_after))
    } else {
        let obstacle = obstacle(facts);
        next_steps.push(obstacle.next_step);
        said.push(format!("it could have been claimed for {}", span(facts.now - run.run_after.max(run.created_at))));
        obstacle.summary
    };
    said.extend(place(facts));
    said.extend(announcement(facts));
    said.extend(history(facts));
    explanation(facts, summary, said, next_steps)
}

pub(super) fn retrying(facts: &Facts) -> Explanation {
    let run = &facts.run;
    let code = run.error_code.as_deref().unwrap_or("unknown");
    let text = run.error_text.as_deref().unwrap_or("no reason was recorded");
    let left = run.max_attempts - run.attempts_used;
    let mut said = vec![
        format!("attempt {} failed: {text} ({code})", run.attempt_number),
        format!("{} of {} used, {left} left", count(run.attempts_used.into(), "attempt"), run.max_attempts),
    ];
    let mut next_steps = Vec::new();
    let summary = if run.run_after > facts.now {
        format!(
            "attempt {} failed with `{code}`; the next one starts by itself at {} (in {})",
            run.attempt_number,
            moment(run.run_after),
            span(run.run_after - facts.now)
        )
    } else {
        let obstacle = obstacle(facts);
        next_steps.push(obstacle.next_step);
        format!("its next attempt after `{code}` is due since {}: {}", span(facts.now - run.run_after), obstacle.summary)
    };
    if code == CHILD_KILLED {
        said.push("a second attempt that is killed like this puts the run in quarantine: it fails with `worker_killed`".to_owned());
    }
    if let Some(step) = facts.checkpoint_step {
        said.push(format!("training can continue from the checkpoint of step {step}"));
    }
    said.extend(place(facts));
    said.extend(announcement(facts));
    said.extend(history(facts));
    next_steps.push(format!("if it keeps failing: {}", next_step(facts, code)));
    explanation(facts, summary, said, next_steps)
}

/// The first thing that keeps a due run from being claimed, from the outside in.
fn obstacle(facts: &Facts) -> Obstacle {
    let fleet = facts.fleet;
    let kind = facts.run.kind;
    let is = |summary: String, next_step: &str| Obstacle { summary, next_step: next_step.replace(" ID", &format!(" {}", facts.run.id)) };
    if fleet.alive == 0 {
        return is("no worker is alive".to_owned(), START_WORKER);
    }
    if fleet.able == 0 {
        let summary = format!("{}, but none that carries out kind `{kind}`", alive(fleet.alive));
        return is(summary, "start a worker of a version that carries out this kind: aprendiz worker list shows the kinds of each");
    }
    if fleet.draining == fleet.able {
        let summary = if fleet.able == 1 {
            "1 worker is alive, but it only finishes what it has: it was asked to drain".to_owned()
        } else {
            format!("{}, but they only finish what they have: they were asked to drain", alive(fleet.able))
        };
        return is(summary, START_WORKER);
    }
    if fleet.busy >= fleet.slots {
        let busy = if fleet.slots == 1 {
            "the only slot of the workers is busy".to_owned()
        } else {
            format!("all {} slots of the workers are busy", fleet.slots)
        };
        let summary = if facts.ahead > 0 { format!("{busy}, and {} before it", are(facts.ahead)) } else { busy };
        return is(summary, MORE_WORKERS);
    }
    if facts.ahead > 0 {
        return is(format!("it waits for its turn: {} before it, in the order of priority and age", are(facts.ahead)), MORE_WORKERS);
    }
    if fleet.listening == 0 {
        let redis = if facts.redis_answers == Some(false) { " and Redis does not answer" } else { "" };
        let summary =
            format!("{}, but no announcement is heard{redis}: workers look for runs by themselves every few seconds", alive(fleet.able));
        return is(summary, "it starts at the next look; check Redis with: aprendiz doctor");
    }
    if facts.announcement_due_at.is_some() {
        if facts.redis_answers == Some(false) {
            let summary =
                "it is not announced yet, because Redis does not answer: idle workers look for runs by themselves every few seconds";
            return is(summary.to_owned(), "it starts at the next look; check Redis with: aprendiz doctor");
        }
        return is(
            "it is about to be announced to an idle worker".to_owned(),
            "if it stays so: is a relay running? (aprendiz serve without --no-relay)",
        );
    }
    is(
        "a slot is free and it was announced: a worker should claim it within seconds".to_owned(),
        "if it stays so, look into the workers' logs: aprendiz worker list names the hosts",
    )
}

fn alive(workers: i64) -> String {
    if workers == 1 { "1 worker is alive".to_owned() } else { format!("{workers} workers are alive") }
}

fn are(runs: i64) -> String {
    match runs {
        1 => "1 run is".to_owned(),
        COUNTED.. => format!("more than {COUNTED} runs are"),
        _ => format!("{runs} runs are"),
    }
}

/// Its place in the order of priority and age, and who works on it.
fn place(facts: &Facts) -> Vec<String> {
    let fleet = facts.fleet;
    let first = if facts.ahead == 0 { "no run is".to_owned() } else { are(facts.ahead) };
    let free = (fleet.slots - fleet.busy).max(0);
    vec![
        format!("{first} before it, in the order of priority (its own is {}) and age", facts.run.priority),
        format!("{free} of {} free, on {} that can take it", count(fleet.slots, "slot"), count(fleet.able - fleet.draining, "worker")),
    ]
}

fn announcement(facts: &Facts) -> Option<String> {
    match (facts.announcement_due_at, facts.run.announced_at) {
        (Some(due), _) if due > facts.now => Some(format!("it will be announced at {}", moment(due))),
        (Some(due), _) => Some(format!("it is not announced yet; that was due {} ago", span(facts.now - due))),
        (None, Some(at)) => Some(format!("it was announced {} ago", span(facts.now - at))),
        (None, None) => None,
    }
}
