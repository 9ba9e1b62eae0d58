//! Explanation of waiting runs: scheduled, behind other runs, or without a worker.

use super::facts::{MAX_AHEAD, QueueFacts, RunFacts, TrialFacts};
use super::format::{alive, count, duration, seconds, timestamp};
use super::requirements::{lacking_requirements, list};
use super::sections::{Explanation, command, history, next_step};
use crate::background_tasks::BackgroundTask;
use crate::run::fail::{CHILD_KILLED, TRAINING_PROCESS_KILLED};

const START_WORKER: &str = "start a worker: aprendiz-worker (aprendiz worker list --all also shows stopped workers)";

const ADD_WORKERS: &str = "wait, or start more workers; to move it ahead, clone it with a greater priority (aprendiz run clone ID --set priority=10) and cancel this one";

/// Why a claimable run is not claimed.
struct Obstacle {
    summary: String,
    next_step: String,
}

pub(super) fn queued(facts: &RunFacts) -> Explanation {
    let run = &facts.run;
    let mut lines = Vec::new();
    let mut next_steps = Vec::new();
    let summary = if let Some(builder) = facts.awaited_run {
        next_steps.push(format!("nothing: it resumes on its own when the build is done; to follow the build: aprendiz run get {builder}"));
        format!("waiting: run {builder} is building the dataset snapshot that both need")
    } else if let Some(trials) = facts.trials.filter(|trials| run.run_after > facts.now && trials.running + trials.waiting > 0) {
        return awaiting_trials(facts, trials);
    } else if run.run_after > facts.now {
        let delay = duration(run.run_after - facts.now);
        next_steps.push(format!("nothing: it starts on its own; to cancel it: {}", command(facts, "cancel")));
        format!("scheduled: not before {} (in {delay})", timestamp(run.run_after))
    } else {
        let obstacle = obstacle(facts);
        next_steps.push(obstacle.next_step);
        lines.push(format!("claimable for {}", duration(facts.now - run.run_after.max(run.created_at))));
        obstacle.summary
    };
    lines.extend(queue_position(facts));
    lines.extend(wakeup(facts));
    lines.extend(history(facts));
    Explanation { status: run.status, summary, facts: lines, next_steps }
}

/// A sweep holds no slot while its trials run, so neither workers nor its position in the queue matter.
fn awaiting_trials(facts: &RunFacts, trials: TrialFacts) -> Explanation {
    let TrialFacts { planned, created, succeeded, failed, running, waiting, winner } = trials;
    let summary = match winner {
        Some(winner) => format!("waiting for run {winner}, which trains the best trial in full"),
        None => format!("waiting for its trials: {} ended, {running} running, {waiting} waiting for a worker", succeeded + failed),
    };
    let lines = vec![
        format!("{created} trial runs created, for {}", count(planned, "trial")),
        format!("{succeeded} succeeded, {failed} failed or cancelled: failed trials do not fail the sweep unless all do"),
    ];
    let mut next_steps = vec![format!("nothing: it goes on when a trial ends; to see the trials: {}", command(facts, "get"))];
    if running == 0 {
        next_steps.push(format!(
            "to see why no trial runs: aprendiz run list --parent {}, and aprendiz run explain of one of them",
            facts.run.id
        ));
    }
    next_steps.push(format!("to cancel it with its trials: {}", command(facts, "cancel")));
    Explanation { status: facts.run.status, summary, facts: lines, next_steps }
}

pub(super) fn retrying(facts: &RunFacts) -> Explanation {
    let run = &facts.run;
    let code = run.error_code.as_deref().unwrap_or("unknown");
    let text = run.error_text.as_deref().unwrap_or("no error text was recorded");
    let left = run.max_attempts - run.attempts_used;
    let mut lines = vec![
        format!("attempt {} failed: {text} ({code})", run.attempt_number),
        format!("{} of {} used, {left} left", count(run.attempts_used.into(), "attempt"), run.max_attempts),
    ];
    let mut next_steps = Vec::new();
    let summary = if run.run_after > facts.now {
        format!(
            "attempt {} failed with `{code}`; the next attempt starts at {} (in {})",
            run.attempt_number,
            timestamp(run.run_after),
            duration(run.run_after - facts.now)
        )
    } else {
        let obstacle = obstacle(facts);
        next_steps.push(obstacle.next_step);
        format!("the next attempt after `{code}` has been due for {}: {}", duration(facts.now - run.run_after), obstacle.summary)
    };
    if code == CHILD_KILLED {
        lines.push(format!("if a second attempt is killed, the run is put in quarantine: it fails with `{TRAINING_PROCESS_KILLED}`"));
    }
    if let Some(step) = facts.checkpoint_step {
        lines.push(format!("training can resume from the checkpoint of step {step}"));
    }
    lines.extend(queue_position(facts));
    lines.extend(wakeup(facts));
    lines.extend(history(facts));
    next_steps.push(format!("if it keeps failing: {}", next_step(facts, code)));
    Explanation { status: run.status, summary, facts: lines, next_steps }
}

/// The first obstacle that keeps a due run from being claimed: workers, then slots, then other runs, then wake-ups.
fn obstacle(facts: &RunFacts) -> Obstacle {
    let workers = &facts.workers;
    let kind = facts.run.kind;
    let obstacle =
        |summary: String, next_step: &str| Obstacle { summary, next_step: next_step.replace(" ID", &format!(" {}", facts.run.id)) };
    if workers.alive == 0 {
        return obstacle("no worker is alive".to_owned(), START_WORKER);
    }
    if workers.able == 0 && workers.supporting > 0 {
        let (summary, way_out) = lacking_requirements(workers, &facts.run.requires);
        return obstacle(summary, &way_out);
    }
    if workers.able == 0 {
        let summary = format!("{}, but none supports kind `{kind}`", alive(workers.alive));
        return obstacle(
            summary,
            "start a worker of a version that supports this kind; aprendiz worker list shows the kinds of each worker",
        );
    }
    if workers.draining == workers.able {
        let draining = if workers.able == 1 { "but it is draining" } else { "but all of them are draining" };
        return obstacle(format!("{}, {draining}", alive(workers.able)), START_WORKER);
    }
    if workers.available() == 0 {
        let age = seconds(workers.late_seconds.unwrap_or_default());
        let summary = if workers.late == 1 {
            format!("the only available worker missed its heartbeat: the last one was {age} ago (every 3 s), so it may be lost")
        } else {
            format!(
                "all {} available workers missed their heartbeat: the latest one was {age} ago (every 3 s), so they may be lost",
                workers.late
            )
        };
        return obstacle(summary, "if this persists, start a worker: aprendiz-worker (aprendiz worker list shows the last heartbeats)");
    }
    if let Some((summary, way_out)) = full_queue(facts) {
        return obstacle(summary, &way_out);
    }
    if workers.busy >= workers.slots {
        let busy = if workers.slots == 1 {
            "the only worker slot is busy".to_owned()
        } else {
            format!("all {} worker slots are busy", workers.slots)
        };
        let summary = match facts.ahead {
            0 => busy,
            1 => format!("{busy}, and 1 run is ahead of it"),
            ahead => format!("{busy}, and {} are ahead of it", runs(ahead)),
        };
        return obstacle(summary, ADD_WORKERS);
    }
    if facts.ahead > 0 {
        let are = if facts.ahead == 1 { "is" } else { "are" };
        let summary = format!("waiting: {} with higher priority or an earlier creation time {are} ahead of it", runs(facts.ahead));
        return obstacle(summary, ADD_WORKERS);
    }
    if workers.listening == 0 {
        let redis = facts.redis_error.as_ref().map(|error| format!(" because {error}")).unwrap_or_default();
        let summary = format!("{}, but no worker receives wake-ups{redis}: workers find runs by polling", alive(workers.available()));
        return obstacle(summary, "nothing: it starts at the next poll; to check Redis: aprendiz doctor");
    }
    if facts.wakeup_due_at.is_some() {
        if let Some(error) = &facts.redis_error {
            let summary = format!("its wake-up is not published because {error}: idle workers find runs by polling");
            return obstacle(summary, "nothing: it starts at the next poll; to check Redis: aprendiz doctor");
        }
        if let Some(overdue) = facts.overdue(BackgroundTask::Relay) {
            let summary = format!("its wake-up is not published, because {overdue}: idle workers find runs by polling");
            return obstacle(summary, "check the log of aprendiz serve, and run aprendiz doctor; the run starts at the next poll");
        }
        return obstacle(
            "an idle worker is about to be woken".to_owned(),
            "if this persists, check that a relay is running (aprendiz serve without --no-relay)",
        );
    }
    obstacle(
        "a slot is free and the wake-up was published: a worker should claim it within seconds".to_owned(),
        "if this persists, check the workers' logs; aprendiz worker list shows their hosts",
    )
}

/// The limit of its queue that keeps the run from starting, and the way out.
fn full_queue(facts: &RunFacts) -> Option<(String, String)> {
    let QueueFacts { max_running, running, max_running_per_model, running_of_model } = facts.queue;
    let queue = &facts.run.queue;
    if max_running == Some(0) || max_running_per_model == Some(0) {
        let option = if max_running == Some(0) { "--max-running" } else { "--max-running-per-model" };
        return Some((
            format!("its queue `{queue}` starts no runs: its limit is 0"),
            format!("to let runs start: aprendiz queue set {queue} {option} none"),
        ));
    }
    if let Some(max) = max_running.filter(|max| running >= i64::from(*max)) {
        return Some((
            format!("its queue `{queue}` is at its limit: {running} of {} running", count(max.into(), "run")),
            format!("wait until one ends, or raise the limit: aprendiz queue set {queue} --max-running {}", max + 1),
        ));
    }
    let max = max_running_per_model.filter(|max| running_of_model >= i64::from(*max))?;
    let model = &facts.run.model;
    Some((
        format!("model `{model}` is at the limit of its queue `{queue}`: {running_of_model} of {} running", count(max.into(), "run")),
        format!("wait until one ends, or raise the limit: aprendiz queue set {queue} --max-running-per-model {}", max + 1),
    ))
}

fn runs(number: i64) -> String {
    if number >= MAX_AHEAD { format!("more than {MAX_AHEAD} runs") } else { count(number, "run") }
}

/// Its position in the queue, and the workers that can execute it.
fn queue_position(facts: &RunFacts) -> Vec<String> {
    let workers = &facts.workers;
    let ahead = match facts.ahead {
        1 => "1 run is".to_owned(),
        ahead => format!("{} are", runs(ahead)),
    };
    let free = (workers.slots - workers.busy).max(0);
    let mut lines = vec![
        if facts.ahead == 0 {
            format!("next in line (priority {})", facts.run.priority)
        } else {
            format!("{ahead} ahead of it (priority {})", facts.run.priority)
        },
        format!("{free} of {} free on {}", count(workers.slots, "slot"), count(workers.available(), "available worker")),
    ];
    if !facts.run.requires.is_empty() {
        lines.push(format!(
            "it requires {}: {} of {} can claim it",
            list(&facts.run.requires),
            workers.able,
            count(workers.alive, "worker")
        ));
    }
    if workers.late > 0 {
        let age = seconds(workers.late_seconds.unwrap_or_default());
        lines.push(format!("{} without a heartbeat for {age} or longer: not counted as available", count(workers.late, "worker")));
    }
    lines
}

fn wakeup(facts: &RunFacts) -> Option<String> {
    match (facts.wakeup_due_at, facts.run.wakeup_published_at) {
        (Some(due), _) if due > facts.now => Some(format!("its wake-up will be published at {}", timestamp(due))),
        (Some(due), _) => Some(format!("its wake-up is not published yet; it was due {} ago", duration(facts.now - due))),
        (None, Some(at)) => Some(format!("its wake-up was published {} ago", duration(facts.now - at))),
        (None, None) => None,
    }
}
