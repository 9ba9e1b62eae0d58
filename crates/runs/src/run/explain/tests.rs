//! Every case of an explanation and its text.

use aprendiz_run_spec::RunKind;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::facts::{AttemptFacts, QueueFacts, RunFacts, WorkerFacts};
use super::render::render_explanation;
use super::sections::Explanation;
use crate::background_tasks::TaskStatus;
use crate::ids::RunId;
use crate::run::status::{AttemptStatus, RunPhase, RunStatus};
use crate::run::training_run::TrainingRun;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_700_000, 0).unwrap()
}

pub(super) fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

/// A run that was created a minute ago, with one idle worker that receives wake-ups.
pub(super) fn facts(status: RunStatus) -> RunFacts {
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
        queue: "default".to_owned(),
        requires: Vec::new(),
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
        tags: json!({}),
        note: None,
        parent_run_id: None,
        sweep_role: None,
        trial: None,
        trials: None,
        rung: None,
        train_fraction: None,
        verifies_version_id: None,
        model_version: None,
        warnings: Vec::new(),
        trace_parent: None,
        trace_state: None,
        created_at: ago(60),
        wakeup_published_at: Some(ago(59)),
        started_at: None,
        finished_at: status.is_final().then(|| ago(10)),
    };
    RunFacts {
        now: now(),
        run,
        attempts: Vec::new(),
        first_attempt: 1,
        ahead: 0,
        wakeup_due_at: None,
        workers: WorkerFacts { alive: 1, able: 1, listening: 1, slots: 1, ..WorkerFacts::default() },
        queue: QueueFacts::default(),
        redis_error: None,
        overdue_tasks: Vec::new(),
        awaited_run: None,
        trials: None,
        phase_since: None,
        checkpoint_step: None,
        cancelled_by: None,
        headline: Vec::new(),
    }
}

fn with(status: RunStatus, change: impl FnOnce(&mut RunFacts)) -> Explanation {
    let mut facts = facts(status);
    change(&mut facts);
    render_explanation(&facts)
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

fn fail(facts: &mut RunFacts, code: &str, attempts: i32) {
    facts.run.error_code = Some(code.to_owned());
    facts.run.error_text = Some(format!("{code} in words"));
    facts.run.attempt_number = attempts;
    facts.run.attempts_used = attempts;
    facts.attempts = (1..=attempts).map(|number| failed_attempt(number, code)).collect();
}

fn run_phase(facts: &mut RunFacts, phase: RunPhase, seconds: i64, fraction: f64) {
    facts.run.phase = Some(phase);
    facts.run.progress = Some(json!({ "fraction": fraction }));
    facts.run.attempt_number = 1;
    facts.run.attempts_used = 1;
    facts.run.started_at = Some(ago(50));
    facts.phase_since = Some(ago(seconds));
    facts.attempts = vec![attempt(1, AttemptStatus::Running)];
}

/// Asserts that some sentence contains each of the texts.
fn assert_contains(explanation: &Explanation, texts: &[&str]) {
    for text in texts {
        let mut sentences = [&explanation.facts, &explanation.next_steps].into_iter().flatten().chain([&explanation.summary]);
        assert!(sentences.any(|sentence| sentence.contains(text)), "`{text}` is not in {explanation:#?}");
    }
}

#[test]
fn a_waiting_run_is_explained_by_what_it_waits_for() {
    type Change = fn(&mut RunFacts);
    let cases: [(&str, Change); 20] = [
        ("scheduled: not before 2025-11-21T04:45:00Z (in 5 min)", |facts| facts.run.run_after = ago(-300)),
        ("no worker is alive", |facts| facts.workers = WorkerFacts::default()),
        ("2 workers are alive, but none supports kind `linear`", |facts| {
            facts.workers = WorkerFacts { alive: 2, ..WorkerFacts::default() };
        }),
        ("2 workers are alive, but none has `backend=cuda` and `memory>=32`", |facts| {
            facts.run.requires = ["backend=cuda", "gpu", "memory>=32"].map(str::to_owned).to_vec();
            let unmet = ["backend=cuda", "memory>=32"].map(str::to_owned).to_vec();
            facts.workers = WorkerFacts { alive: 2, supporting: 2, unmet, ..WorkerFacts::default() };
        }),
        ("2 workers are alive, but none meets all of its requirements: `gpu` and `zone=eu`", |facts| {
            facts.run.requires = ["gpu", "zone=eu"].map(str::to_owned).to_vec();
            facts.workers = WorkerFacts { alive: 3, supporting: 2, ..WorkerFacts::default() };
        }),
        ("its queue `default` is at its limit: 2 of 2 runs running", |facts| {
            facts.queue = QueueFacts { max_running: Some(2), running: 2, ..QueueFacts::default() };
        }),
        ("model `contracts` is at the limit of its queue `default`: 1 of 1 run running", |facts| {
            facts.queue = QueueFacts { max_running_per_model: Some(1), running: 3, running_of_model: 1, ..QueueFacts::default() };
        }),
        ("its queue `default` starts no runs: its limit is 0", |facts| facts.queue.max_running = Some(0)),
        ("1 worker is alive, but it is draining", |facts| {
            facts.workers = WorkerFacts { alive: 1, able: 1, draining: 1, ..WorkerFacts::default() };
        }),
        ("the only available worker missed its heartbeat: the last one was 6 s ago (every 3 s), so it may be lost", |facts| {
            facts.workers = WorkerFacts { alive: 1, able: 1, late: 1, late_seconds: Some(6.2), ..WorkerFacts::default() };
        }),
        ("all 2 available workers missed their heartbeat: the latest one was 8 s ago (every 3 s), so they may be lost", |facts| {
            facts.workers = WorkerFacts { alive: 2, able: 2, late: 2, late_seconds: Some(8.0), ..WorkerFacts::default() };
        }),
        ("the only worker slot is busy", |facts| facts.workers.busy = 1),
        ("all 4 worker slots are busy", |facts| (facts.workers.slots, facts.workers.busy) = (4, 4)),
        ("waiting: 1 run with higher priority or an earlier creation time is ahead of it", |facts| facts.ahead = 1),
        ("waiting: 12 runs with higher priority or an earlier creation time are ahead of it", |facts| facts.ahead = 12),
        ("waiting: more than 10000 runs with higher priority or an earlier creation time are ahead of it", |facts| facts.ahead = 10_000),
        ("1 worker is alive, but no worker receives wake-ups because Redis is full: workers find runs by polling", |facts| {
            (facts.workers.listening, facts.redis_error) = (0, Some("Redis is full".to_owned()))
        }),
        ("its wake-up is not published because Redis is full: idle workers find runs by polling", |facts| {
            (facts.wakeup_due_at, facts.redis_error) = (Some(ago(60)), Some("Redis is full".to_owned()));
        }),
        ("an idle worker is about to be woken", |facts| facts.wakeup_due_at = Some(ago(60))),
        ("a slot is free and the wake-up was published: a worker should claim it within seconds", |_| {}),
    ];
    for (summary, change) in cases {
        let explanation = with(RunStatus::Queued, change);
        assert_eq!(explanation.summary, summary);
        assert!(!explanation.next_steps.is_empty(), "{explanation:#?}");
    }
}

fn overdue(name: &str) -> Vec<TaskStatus> {
    vec![TaskStatus {
        name: name.to_owned(),
        overdue_after_seconds: 30.0,
        success_age_seconds: Some(90.0),
        failure_age_seconds: Some(1.0),
        error: Some("unsupported startup parameter: options".to_owned()),
    }]
}

#[test]
fn an_overdue_task_is_the_reason_why_a_run_does_not_move() {
    let explanation = with(RunStatus::Queued, |facts| {
        facts.wakeup_due_at = Some(ago(60));
        facts.overdue_tasks = overdue("relay");
    });
    let reason = "has had no successful round for 1 min 30 s (unsupported startup parameter: options)";
    assert!(explanation.summary.contains(&format!("the relay of aprendiz serve {reason}")), "{explanation:#?}");
    for status in [RunStatus::Running, RunStatus::Cancelling] {
        let explanation = with(status, |facts| {
            facts.attempts = vec![attempt(1, AttemptStatus::Running)];
            facts.run.attempt_number = 1;
            facts.attempts[0].lease_expires_at = ago(1);
            facts.overdue_tasks = overdue("reaper");
        });
        let texts = format!("{explanation:?}");
        assert!(texts.contains(&format!("the reaper of aprendiz serve {reason}")) && texts.contains("aprendiz doctor"), "{texts}");
    }
}

#[test]
fn the_explanation_of_a_waiting_run_has_its_position_and_its_wakeup() {
    let explanation = with(RunStatus::Queued, |facts| {
        facts.ahead = 3;
        facts.run.priority = 5;
        (facts.workers.slots, facts.workers.busy) = (4, 4);
    });
    assert_contains(&explanation, &["3 runs are ahead of it (priority 5)", "0 of 4 slots free", "published 59 s ago"]);
    let explanation = with(RunStatus::Queued, |facts| facts.wakeup_due_at = Some(ago(90)));
    assert_contains(&explanation, &["its wake-up is not published yet; it was due 1 min 30 s ago"]);
    let explanation = with(RunStatus::Queued, |facts| facts.wakeup_due_at = Some(ago(-300)));
    assert_contains(&explanation, &["its wake-up will be published at"]);
}

#[test]
fn the_explanation_of_a_requeued_run_lists_its_attempts() {
    let explanation = with(RunStatus::Queued, |facts| {
        facts.run.attempt_number = 2;
        facts.attempts = vec![attempt(1, AttemptStatus::Released), attempt(2, AttemptStatus::Lost)];
    });
    assert_contains(&explanation, &["attempt 1 on host-1: released after 20 s", "attempt 2 on host-2: lost after 20 s"]);
}

#[test]
fn the_explanation_of_a_retrying_run_has_failure_next_attempt_and_remaining_attempts() {
    let explanation = with(RunStatus::Retrying, |facts| {
        fail(facts, "object_store", 1);
        facts.run.run_after = ago(-7);
        facts.checkpoint_step = Some(40);
    });
    assert_eq!(explanation.summary, "attempt 1 failed with `object_store`; the next attempt starts at 2025-11-21T04:40:07Z (in 7 s)");
    assert_contains(
        &explanation,
        &["object_store in words (object_store)", "1 attempt of 3 used, 2 left", "checkpoint of step 40", "if it keeps failing: check S3"],
    );
    let due = with(RunStatus::Retrying, |facts| {
        fail(facts, "child_killed", 1);
        facts.run.run_after = ago(5);
        facts.workers = WorkerFacts::default();
    });
    assert_eq!(due.summary, "the next attempt after `child_killed` has been due for 5 s: no worker is alive");
    assert_contains(&due, &["quarantine", "start a worker"]);
}

#[test]
fn the_explanation_of_a_running_run_has_phase_host_and_remaining_time() {
    let explanation = with(RunStatus::Running, |facts| {
        run_phase(facts, RunPhase::Train, 30, 0.25);
        facts.run.progress =
            Some(json!({ "fraction": 0.25, "stage": "fit", "field": "law", "epoch": 3, "epochs": 20, "step": 12, "loss": 0.5 }));
        facts.checkpoint_step = Some(10);
    });
    assert_eq!(explanation.summary, "training on host-1 for 30 s: 25 % done, about 1 min 30 s left in this phase");
    assert_contains(
        &explanation,
        &[
            "attempt 1 of 3, claimed 50 s ago",
            "its lease expires at 2025-11-21T04:40:20Z",
            "stage fit, field law, step 12, epoch 3 of at most 20, loss 0.5000",
            "latest checkpoint: step 10",
            "aprendiz run watch",
        ],
    );
    for (phase, text) in [
        (RunPhase::Dataset, "building or downloading its dataset snapshot on host-1"),
        (RunPhase::Evaluate, "evaluating on host-1"),
        (RunPhase::Upload, "uploading files on host-1"),
        (RunPhase::Publish, "publishing on host-1"),
    ] {
        let explanation = with(RunStatus::Running, |facts| {
            run_phase(facts, phase, 1, 0.0);
            facts.run.progress = None;
        });
        assert_eq!(explanation.summary, format!("{text} for 1 s"));
    }
}

#[test]
fn no_remaining_time_is_estimated_without_basis() {
    let resumed = with(RunStatus::Running, |facts| {
        run_phase(facts, RunPhase::Train, 30, 0.8);
        facts.attempts[0].resumed_from_step = Some(100);
    });
    assert_eq!(resumed.summary, "training on host-1 for 30 s: 80 % done");
    assert_contains(&resumed, &["training resumed from the checkpoint of step 100"]);
    for fraction in [0.0, 0.01, 1.0] {
        let explanation = with(RunStatus::Running, |facts| run_phase(facts, RunPhase::Train, 30, fraction));
        assert!(!explanation.summary.contains("left"), "{}", explanation.summary);
    }
}

#[test]
fn an_expired_lease_is_explained() {
    let explanation = with(RunStatus::Running, |facts| {
        run_phase(facts, RunPhase::Train, 30, 0.5);
        facts.attempts[0].lease_expires_at = ago(3);
    });
    assert_contains(&explanation, &["its lease expired 3 s ago", "the reaper of aprendiz serve takes the run back"]);
}

#[test]
fn the_explanation_of_a_later_attempt_lists_the_earlier_ones() {
    let explanation = with(RunStatus::Running, |facts| {
        run_phase(facts, RunPhase::Train, 30, 0.5);
        (facts.run.attempt_number, facts.run.attempts_used, facts.first_attempt) = (3, 2, 2);
        facts.attempts = vec![failed_attempt(1, "io"), attempt(2, AttemptStatus::Lost), attempt(3, AttemptStatus::Running)];
    });
    assert_contains(
        &explanation,
        &["attempt 3, which counts as 2 of 3", "attempt 2 on host-2: lost", "attempts before attempt 2 no longer count"],
    );
    assert!(!explanation.facts.iter().any(|fact| fact.contains("host-1") || fact.starts_with("attempt 3 on")), "{explanation:#?}");
}

#[test]
fn the_explanation_of_a_cancelling_run_has_actor_and_outcome() {
    let cancelling = |facts: &mut RunFacts| {
        run_phase(facts, RunPhase::Train, 30, 0.5);
        facts.run.cancel_requested_at = Some(ago(1));
        facts.cancelled_by = Some("bela".to_owned());
    };
    let explanation = with(RunStatus::Cancelling, cancelling);
    assert_eq!(explanation.summary, "cancellation requested by bela 1 s ago; the worker on host-1 stops it within seconds");
    assert_contains(&explanation, &["it ends at the latest when its lease expires, at 2025-11-21T04:40:20Z"]);
    let lost = with(RunStatus::Cancelling, |facts| {
        cancelling(facts);
        facts.attempts[0].lease_expires_at = ago(1);
    });
    assert_contains(&lost, &["the worker on host-1 is lost, and the reaper ends the run", "check that a reaper is running"]);
}

#[test]
fn the_explanation_of_a_failed_run_has_cause_history_and_advice() {
    let once = with(RunStatus::Failed, |facts| fail(facts, "no_examples", 1));
    assert_eq!(once.summary, "failed: no_examples in words (no_examples)");
    assert_contains(
        &once,
        &["another attempt would fail in the same way", "import reviewed documents", "attempt 1 on host-1: failed after 20 s"],
    );
    let used_up = with(RunStatus::Failed, |facts| fail(facts, "object_store", 3));
    assert_contains(
        &used_up,
        &["all 3 attempts are used up", "attempt 3 on host-3", "aprendiz run retry 00000000-0000-0000-0000-000000000007"],
    );
    let quarantined = with(RunStatus::Failed, |facts| {
        fail(facts, "child_killed", 2);
        facts.run.error_code = Some("training_process_killed".to_owned());
    });
    assert_contains(&quarantined, &["in quarantine: a signal killed its training process in two attempts", "give it more memory"]);
    let unknown = with(RunStatus::Failed, |facts| fail(facts, "of_another_version", 1));
    assert_contains(&unknown, &["error code `of_another_version` is unknown to this version"]);
}

#[test]
fn the_explanation_of_a_succeeded_run_has_result_and_location() {
    let explanation = with(RunStatus::Succeeded, |facts| {
        facts.run.started_at = Some(ago(50));
        facts.run.model_version = Some(4);
        facts.headline = vec![("test".to_owned(), "n".to_owned(), 125.0), ("test".to_owned(), "macro_f1".to_owned(), 0.44)];
    });
    assert_eq!(explanation.summary, "succeeded after 40 s and published contracts version 4");
    assert_contains(
        &explanation,
        &["on the test split, over all fields: n 125, macro f1 0.440", "aprendiz model download contracts --number 4"],
    );
    let unmeasured = with(RunStatus::Succeeded, |facts| {
        facts.run.model_version = Some(4);
        facts.headline = vec![("test".to_owned(), "n".to_owned(), 0.0)];
    });
    assert!(unmeasured.summary.ends_with("published contracts version 4, but nothing was measured"), "{}", unmeasured.summary);
    assert!(unmeasured.facts[0].starts_with("nothing was measured: the test split has no example"), "{:?}", unmeasured.facts);
    let worse = with(RunStatus::Succeeded, |facts| {
        facts.run.model_version = Some(4);
        facts.run.warnings = vec!["training made the encoder worse".to_owned(), "same data and spec as version 3".to_owned()];
        let metric = |name: &str, value| ("test".to_owned(), name.to_owned(), value);
        facts.headline = vec![metric("pairs", 40.0), metric("average_precision", 0.816), metric("base_average_precision", 0.823)];
    });
    assert!(worse.summary.ends_with("but it is worse than its base model (average precision 0.8160, base model 0.8230)"), "{worse:?}");
    assert_eq!(worse.facts[..2], ["warning: training made the encoder worse", "warning: same data and spec as version 3"]);
    let evaluated = with(RunStatus::Succeeded, |facts| {
        facts.run.kind = RunKind::Evaluate;
        facts.headline = vec![("reviewed".to_owned(), "accuracy".to_owned(), 0.8)];
    });
    assert_contains(
        &evaluated,
        &["the stored predictions are scored", "on all reviewed values, over all fields: accuracy 0.800", "aprendiz run get"],
    );
    let version = with(RunStatus::Succeeded, |facts| {
        facts.run.kind = RunKind::Evaluate;
        facts.run.spec = serde_json::json!({ "model": "contracts", "kind": "evaluate", "model_version": 3 });
    });
    assert_contains(&version, &["contracts version 3 is evaluated on the test documents", "aprendiz model compare contracts --baseline 3"]);
    let ingested = with(RunStatus::Succeeded, |facts| facts.run.dataset_only = true);
    assert_contains(&ingested, &["the dataset snapshot is built", "aprendiz dataset download"]);
}

#[test]
fn the_explanation_of_a_cancelled_run_has_actor_and_retry() {
    let explanation = with(RunStatus::Cancelled, |facts| facts.cancelled_by = Some("ana".to_owned()));
    assert_eq!(explanation.summary, "cancelled by ana at 2025-11-21T04:39:50Z");
    assert_contains(&explanation, &["it was never started", "to run it again: aprendiz run retry 00000000-0000-0000-0000-000000000007"]);
    let begun = with(RunStatus::Cancelled, |facts| {
        facts.run.started_at = Some(ago(50));
        facts.attempts = vec![attempt(1, AttemptStatus::Cancelled)];
        facts.checkpoint_step = Some(8);
    });
    assert_contains(&begun, &["cancelled at 2025-11-21T04:39:50Z", "attempt 1 on host-1: cancelled after 20 s", "checkpoint of step 8"]);
}

#[test]
fn every_status_has_an_explanation() {
    for status in [
        RunStatus::Queued,
        RunStatus::Running,
        RunStatus::Retrying,
        RunStatus::Cancelling,
        RunStatus::Succeeded,
        RunStatus::Failed,
        RunStatus::Cancelled,
    ] {
        // rows in which every optional value is absent
        let explanation = with(status, |_| {});
        assert!(explanation.status == status && !explanation.summary.is_empty() && !explanation.next_steps.is_empty(), "{explanation:#?}");
    }
}
