//! Every case that can be explained, and what is said about it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::facts::{AttemptFacts, Facts, FleetFacts};
use super::words::{Explanation, words};
use crate::ids::RunId;
use crate::run::TrainingRun;
use crate::status::{AttemptStatus, RunKind, RunPhase, RunStatus};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_700_000, 0).unwrap()
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

/// A run that was created a minute ago, with one idle worker that hears announcements.
fn facts(status: RunStatus) -> Facts {
    let run = TrainingRun {
        id: RunId(Uuid::from_u128(7)),
        kind: RunKind::Linear,
        model: "contracts".to_owned(),
        spec: json!({ "model": "contracts" }),
        position: 0,
        status,
        phase: None,
        progress: None,
        priority: 0,
        run_after: ago(60),
        max_attempts: 3,
        attempts_used: 0,
        attempt_number: 0,
        cancel_requested_at: None,
        dataset_id: None,
        dataset_only: false,
        chosen_documents: None,
        error_code: None,
        error_text: None,
        created_by: "ana".to_owned(),
        parent_run_id: None,
        model_version: None,
        trace_parent: None,
        created_at: ago(60),
        announced_at: Some(ago(59)),
        started_at: None,
        finished_at: status.is_final().then(|| ago(10)),
    };
    Facts {
        now: now(),
        run,
        attempts: Vec::new(),
        first_attempt: 1,
        ahead: 0,
        announcement_due_at: None,
        fleet: FleetFacts { alive: 1, able: 1, draining: 0, listening: 1, slots: 1, busy: 0 },
        redis_answers: Some(true),
        awaited_run: None,
        phase_since: None,
        checkpoint_step: None,
        cancelled_by: None,
        headline: Vec::new(),
    }
}

fn with(status: RunStatus, change: impl FnOnce(&mut Facts)) -> Explanation {
    let mut facts = facts(status);
    change(&mut facts);
    words(&facts)
}

fn attempt(number: i32, status: AttemptStatus) -> AttemptFacts {
    AttemptFacts {
        number,
        host: format!("host-{number}"),
        status,
        lease_expires_at: now() + TimeDelta::seconds(20),
        started_at: ago(50),
        finished_at: (status != AttemptStatus::Running).then(|| ago(30)),
        error_code: None,
        error_text: None,
        resumed_from_step: None,
    }
}

fn failed_attempt(number: i32, code: &str) -> AttemptFacts {
    let text = Some(format!("{code} in words"));
    AttemptFacts { error_code: Some(code.to_owned()), error_text: text, ..attempt(number, AttemptStatus::Failed) }
}

fn fail(facts: &mut Facts, code: &str, attempts: i32) {
    facts.run.error_code = Some(code.to_owned());
    facts.run.error_text = Some(format!("{code} in words"));
    facts.run.attempt_number = attempts;
    facts.run.attempts_used = attempts;
    facts.attempts = (1..=attempts).map(|number| failed_attempt(number, code)).collect();
}

fn run_phase(facts: &mut Facts, phase: RunPhase, seconds: i64, fraction: f64) {
    facts.run.phase = Some(phase);
    facts.run.progress = Some(json!({ "fraction": fraction }));
    facts.run.attempt_number = 1;
    facts.run.attempts_used = 1;
    facts.run.started_at = Some(ago(50));
    facts.phase_since = Some(ago(seconds));
    facts.attempts = vec![attempt(1, AttemptStatus::Running)];
}

/// That something said contains each of the words.
fn says(explanation: &Explanation, all: &[&str]) {
    for words in all {
        let said = [&explanation.facts, &explanation.next_steps].into_iter().flatten().chain([&explanation.summary]);
        assert!(said.into_iter().any(|sentence| sentence.contains(words)), "`{words}` is not in {explanation:#?}");
    }
}

#[test]
fn a_waiting_run_says_what_it_waits_for() {
    type Change = fn(&mut Facts);
    let cases: [(&str, Change); 13] = [
        ("it waits for its time: not before 2025-11-21 04:45:00 UTC (in 5 min)", |facts| facts.run.run_after = ago(-300)),
        ("no worker is alive", |facts| facts.fleet = FleetFacts::default()),
        ("2 workers are alive, but none that carries out kind `linear`", |facts| {
            facts.fleet = FleetFacts { alive: 2, ..FleetFacts::default() };
        }),
        ("1 worker is alive, but it only finishes what it has: it was asked to drain", |facts| {
            facts.fleet = FleetFacts { alive: 1, able: 1, draining: 1, ..FleetFacts::default() };
        }),
        ("the only slot of the workers is busy", |facts| facts.fleet.busy = 1),
        ("all 4 slots of the workers are busy", |facts| (facts.fleet.slots, facts.fleet.busy) = (4, 4)),
        ("it waits for its turn: 1 run is before it, in the order of priority and age", |facts| facts.ahead = 1),
        ("it waits for its turn: 12 runs are before it, in the order of priority and age", |facts| facts.ahead = 12),
        ("it waits for its turn: more than 10000 runs are before it, in the order of priority and age", |facts| facts.ahead = 10_000),
        (
            "1 worker is alive, but no announcement is heard and Redis does not answer: workers look for runs by themselves every few seconds",
            |facts| (facts.fleet.listening, facts.redis_answers) = (0, Some(false)),
        ),
        ("it is not announced yet, because Redis does not answer: idle workers look for runs by themselves every few seconds", |facts| {
            (facts.announcement_due_at, facts.redis_answers) = (Some(ago(60)), Some(false))
        }),
        ("it is about to be announced to an idle worker", |facts| facts.announcement_due_at = Some(ago(60))),
        ("a slot is free and it was announced: a worker should claim it within seconds", |_| {}),
    ];
    for (summary, change) in cases {
        let explanation = with(RunStatus::Queued, change);
        assert_eq!(explanation.summary, summary);
        assert!(!explanation.next_steps.is_empty(), "{explanation:#?}");
    }
}

#[test]
fn a_waiting_run_says_its_place_and_its_announcement() {
    let explanation = with(RunStatus::Queued, |facts| {
        facts.ahead = 3;
        facts.run.priority = 5;
        (facts.fleet.slots, facts.fleet.busy) = (4, 4);
    });
    says(
        &explanation,
        &["3 runs are before it, in the order of priority (its own is 5) and age", "0 of 4 slots free", "announced 59 s ago"],
    );
    let explanation = with(RunStatus::Queued, |facts| facts.announcement_due_at = Some(ago(90)));
    says(&explanation, &["it is not announced yet; that was due 1 min 30 s ago"]);
    let explanation = with(RunStatus::Queued, |facts| facts.announcement_due_at = Some(ago(-300)));
    says(&explanation, &["it will be announced at"]);
}

#[test]
fn a_run_that_waits_again_tells_of_its_attempts() {
    let explanation = with(RunStatus::Queued, |facts| {
        facts.run.attempt_number = 2;
        facts.attempts = vec![attempt(1, AttemptStatus::Released), attempt(2, AttemptStatus::Lost)];
    });
    says(&explanation, &["attempt 1 on host-1: handed back after 20 s", "attempt 2 on host-2: lost after 20 s"]);
}

#[test]
fn a_retrying_run_says_which_failure_when_next_and_how_many_are_left() {
    let explanation = with(RunStatus::Retrying, |facts| {
        fail(facts, "object_store", 1);
        facts.run.run_after = ago(-7);
        facts.checkpoint_step = Some(40);
    });
    assert_eq!(
        explanation.summary,
        "attempt 1 failed with `object_store`; the next one starts by itself at 2025-11-21 04:40:07 UTC (in 7 s)"
    );
    says(
        &explanation,
        &["object_store in words (object_store)", "1 attempt of 3 used, 2 left", "checkpoint of step 40", "if it keeps failing: check S3"],
    );
    let due = with(RunStatus::Retrying, |facts| {
        fail(facts, "child_killed", 1);
        facts.run.run_after = ago(5);
        facts.fleet = FleetFacts::default();
    });
    assert_eq!(due.summary, "its next attempt after `child_killed` is due since 5 s: no worker is alive");
    says(&due, &["quarantine", "start a worker"]);
}

#[test]
fn a_running_run_says_what_it_does_where_and_how_long_it_takes() {
    let explanation = with(RunStatus::Running, |facts| {
        run_phase(facts, RunPhase::Train, 30, 0.25);
        facts.run.progress =
            Some(json!({ "fraction": 0.25, "stage": "fit", "field": "law", "epoch": 3, "epochs": 20, "step": 12, "loss": 0.5 }));
        facts.checkpoint_step = Some(10);
    });
    assert_eq!(explanation.summary, "it trains on host-1 for 30 s: 25 % done, about 1 min 30 s left in this phase");
    says(
        &explanation,
        &[
            "attempt 1 (number 1 of 3 that count), claimed 50 s ago",
            "its lease lasts until 2025-11-21 04:40:20 UTC",
            "stage fit, field law, step 12, epoch 3 of at most 20, loss 0.5000",
            "its newest checkpoint is of step 10",
            "aprendiz run watch",
        ],
    );
    for (phase, words) in [
        (RunPhase::Dataset, "it builds or fetches its dataset snapshot on host-1"),
        (RunPhase::Evaluate, "it is being evaluated on host-1"),
        (RunPhase::Upload, "it uploads its files on host-1"),
        (RunPhase::Publish, "it publishes on host-1"),
    ] {
        let explanation = with(RunStatus::Running, |facts| {
            run_phase(facts, phase, 1, 0.0);
            facts.run.progress = None;
        });
        assert_eq!(explanation.summary, format!("{words} for 1 s"));
    }
}

#[test]
fn no_remaining_time_is_made_up() {
    let resumed = with(RunStatus::Running, |facts| {
        run_phase(facts, RunPhase::Train, 30, 0.8);
        facts.attempts[0].resumed_from_step = Some(100);
    });
    assert_eq!(resumed.summary, "it trains on host-1 for 30 s: 80 % done");
    says(&resumed, &["training was continued from the checkpoint of step 100"]);
    for fraction in [0.0, 0.01, 1.0] {
        let explanation = with(RunStatus::Running, |facts| run_phase(facts, RunPhase::Train, 30, fraction));
        assert!(!explanation.summary.contains("left"), "{}", explanation.summary);
    }
}

#[test]
fn a_running_run_whose_lease_ran_out_says_so() {
    let explanation = with(RunStatus::Running, |facts| {
        run_phase(facts, RunPhase::Train, 30, 0.5);
        facts.attempts[0].lease_expires_at = ago(3);
    });
    says(&explanation, &["its lease ran out 3 s ago", "the reaper of aprendiz serve takes the run back"]);
}

#[test]
fn a_later_attempt_tells_of_those_before() {
    let explanation = with(RunStatus::Running, |facts| {
        run_phase(facts, RunPhase::Train, 30, 0.5);
        (facts.run.attempt_number, facts.run.attempts_used, facts.first_attempt) = (3, 2, 2);
        facts.attempts = vec![failed_attempt(1, "io"), attempt(2, AttemptStatus::Lost), attempt(3, AttemptStatus::Running)];
    });
    says(&explanation, &["attempt 3 (number 2 of 3 that count)", "attempt 2 on host-2: lost", "attempts before attempt 2 no longer count"]);
    assert!(!explanation.facts.iter().any(|fact| fact.contains("host-1") || fact.starts_with("attempt 3 on")), "{explanation:#?}");
}

#[test]
fn a_cancelling_run_says_who_asked_and_what_is_waited_for() {
    let cancelling = |facts: &mut Facts| {
        run_phase(facts, RunPhase::Train, 30, 0.5);
        facts.run.cancel_requested_at = Some(ago(1));
        facts.cancelled_by = Some("bela".to_owned());
    };
    let explanation = with(RunStatus::Cancelling, cancelling);
    assert_eq!(explanation.summary, "bela asked 1 s ago to cancel it; its worker on host-1 stops it within seconds");
    says(&explanation, &["at the latest it ends when the lease does, at 2025-11-21 04:40:20 UTC"]);
    let lost = with(RunStatus::Cancelling, |facts| {
        cancelling(facts);
        facts.attempts[0].lease_expires_at = ago(1);
    });
    says(&lost, &["its worker on host-1 is gone, and the reaper ends the run", "is a reaper running?"]);
}

#[test]
fn a_failed_run_says_why_what_happened_and_what_to_do() {
    let once = with(RunStatus::Failed, |facts| fail(facts, "no_examples", 1));
    assert_eq!(once.summary, "it failed: no_examples in words (no_examples)");
    says(&once, &["another attempt would fail the same way", "import reviewed documents", "attempt 1 on host-1: failed after 20 s"]);
    let used_up = with(RunStatus::Failed, |facts| fail(facts, "object_store", 3));
    says(&used_up, &["all 3 attempts are used up", "attempt 3 on host-3", "aprendiz run retry 00000000-0000-0000-0000-000000000007"]);
    let quarantined = with(RunStatus::Failed, |facts| {
        fail(facts, "child_killed", 2);
        facts.run.error_code = Some("worker_killed".to_owned());
    });
    says(&quarantined, &["it is in quarantine: its training process was killed by a signal in two attempts", "give it more memory"]);
    let unknown = with(RunStatus::Failed, |facts| fail(facts, "of_another_version", 1));
    says(&unknown, &["this version does not know the code `of_another_version`"]);
}

#[test]
fn a_succeeded_run_says_what_came_of_it_and_where_it_is() {
    let explanation = with(RunStatus::Succeeded, |facts| {
        facts.run.started_at = Some(ago(50));
        facts.run.model_version = Some(4);
        facts.headline = vec![("test".to_owned(), "n".to_owned(), 125.0), ("test".to_owned(), "macro_f1".to_owned(), 0.44)];
    });
    assert_eq!(explanation.summary, "it succeeded after 40 s and published contracts version 4");
    says(&explanation, &["on the test split, over all fields: n 125, macro f1 0.440", "aprendiz model download contracts --number 4"]);
    let evaluated = with(RunStatus::Succeeded, |facts| {
        facts.run.kind = RunKind::Evaluate;
        facts.headline = vec![("reviewed".to_owned(), "accuracy".to_owned(), 0.8)];
    });
    says(&evaluated, &["the stored predictions are scored", "on all reviewed values, over all fields: accuracy 0.800", "aprendiz run get"]);
    let ingested = with(RunStatus::Succeeded, |facts| facts.run.dataset_only = true);
    says(&ingested, &["the dataset snapshot is built", "aprendiz dataset download"]);
}

#[test]
fn a_cancelled_run_says_by_whom_and_that_it_can_be_retried() {
    let explanation = with(RunStatus::Cancelled, |facts| facts.cancelled_by = Some("ana".to_owned()));
    assert_eq!(explanation.summary, "ana cancelled it at 2025-11-21 04:39:50 UTC");
    says(&explanation, &["no worker had begun it", "to run it after all: aprendiz run retry 00000000-0000-0000-0000-000000000007"]);
    let begun = with(RunStatus::Cancelled, |facts| {
        facts.run.started_at = Some(ago(50));
        facts.attempts = vec![attempt(1, AttemptStatus::Cancelled)];
        facts.checkpoint_step = Some(8);
    });
    says(&begun, &["someone cancelled it", "attempt 1 on host-1: cancelled after 20 s", "checkpoint of step 8"]);
}

#[test]
fn whatever_the_status_something_is_said() {
    for status in [
        RunStatus::Queued,
        RunStatus::Running,
        RunStatus::Retrying,
        RunStatus::Cancelling,
        RunStatus::Succeeded,
        RunStatus::Failed,
        RunStatus::Cancelled,
    ] {
        // rows that lack everything that may be absent
        let explanation = with(status, |facts| facts.redis_answers = None);
        assert!(explanation.status == status && !explanation.summary.is_empty() && !explanation.next_steps.is_empty(), "{explanation:#?}");
    }
}
