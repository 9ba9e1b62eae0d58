//! The facts behind explanations. The rendering has unit tests in the crate.

use aprendiz_runs::{
    AttemptStatus, RunFacts, RunId, RunPhase, RunStatus, RunsError, cancel_run, enter_phase, fail_attempt, load_run_facts, publish,
    render_explanation, request_drain,
};

use crate::fixture::{Fixture, failure};

async fn facts(fixture: &Fixture, id: RunId) -> RunFacts {
    load_run_facts(&mut *fixture.conn().await, id, None).await.unwrap()
}

#[tokio::test]
async fn the_number_of_runs_ahead_follows_the_order_of_claims() {
    let fixture = Fixture::new().await;
    let first = fixture.create_run().await;
    let urgent = fixture.create_run_with(|spec| spec.priority = 5).await;
    let later = "2100-01-01T00:00:00Z".parse().unwrap();
    fixture.create_run_with(|spec| (spec.priority, spec.run_after) = (9, Some(later))).await;
    let last = fixture.create_run().await;
    let late = fixture.create_run_with(|spec| spec.priority = -5).await;
    for (id, ahead) in [(urgent, 0), (first, 1), (last, 2), (late, 3)] {
        assert_eq!(facts(&fixture, id).await.ahead, ahead);
    }
    // claims happen in this order
    for id in [urgent, first, last, late] {
        fixture.claim_run(id).await;
    }
}

#[tokio::test]
async fn the_workers_of_a_waiting_run_are_those_that_can_execute_it() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run().await;
    assert_eq!(render_explanation(&facts(&fixture, id).await).summary, "no worker is alive");

    let worker = fixture.worker().await;
    let change = async |set: &str| fixture.execute(&format!("UPDATE workers SET {set} WHERE id = '{worker}'")).await.unwrap();
    change("heartbeat_at = clock_timestamp() - interval '1 min'").await;
    assert_eq!(facts(&fixture, id).await.workers.alive, 0, "a silent worker is not alive");
    change("heartbeat_at = clock_timestamp() + interval '1 hour', kinds = '{evaluate}', slots = 2").await;
    let fleet = facts(&fixture, id).await.workers;
    assert_eq!((fleet.alive, fleet.able, fleet.slots), (1, 0, 0));
    change("kinds = '{evaluate,linear}', listening = true").await;
    let fleet = facts(&fixture, id).await.workers;
    assert_eq!((fleet.able, fleet.listening, fleet.slots, fleet.busy, fleet.draining), (1, 1, 2, 0, 0));
    request_drain(&mut *fixture.conn().await, worker, false, "ana").await.unwrap();
    let fleet = facts(&fixture, id).await.workers;
    assert_eq!((fleet.able, fleet.draining, fleet.slots), (1, 1, 0));
}

#[tokio::test]
async fn a_worker_that_missed_a_heartbeat_has_no_free_slot() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run().await;
    let worker = fixture.worker().await;
    assert_eq!(facts(&fixture, id).await.workers.late, 0);
    fixture.execute(&format!("UPDATE workers SET heartbeat_at = clock_timestamp() - interval '8 s' WHERE id = '{worker}'")).await.unwrap();
    let facts = facts(&fixture, id).await;
    assert_eq!((facts.workers.alive, facts.workers.late, facts.workers.slots), (1, 1, 0));
    assert!(facts.workers.late_seconds.is_some_and(|seconds| seconds >= 8.0));
    let summary = render_explanation(&facts).summary;
    assert!(summary.starts_with("the only available worker missed its heartbeat"), "{summary}");
}

#[tokio::test]
async fn busy_slots_and_the_wakeup_are_read() {
    let fixture = Fixture::new().await;
    fixture.running().await;
    let id = fixture.create_run().await;
    let waiting = facts(&fixture, id).await;
    assert_eq!((waiting.workers.slots, waiting.workers.busy), (1, 1));
    assert!(waiting.wakeup_due_at.is_some_and(|due| due <= waiting.now));
    assert_eq!(render_explanation(&waiting).summary, "the only worker slot is busy");
    fixture.relay().await;
    assert!(facts(&fixture, id).await.wakeup_due_at.is_none());
}

#[tokio::test]
async fn a_running_run_has_its_phase_and_earlier_attempts() {
    let fixture = Fixture::new().await;
    let first = fixture.running().await;
    fail_attempt(&mut *fixture.conn().await, first, &failure("io", true), 0.5).await.unwrap();
    let retrying = facts(&fixture, first.run_id).await;
    assert!(retrying.run.status == RunStatus::Retrying && retrying.attempts[0].error_code.as_deref() == Some("io"));
    fixture.make_due(first.run_id).await;
    let second = fixture.claim_run(first.run_id).await;
    let claimed = facts(&fixture, second.run_id).await;
    assert!(claimed.phase_since.is_some(), "the first phase starts with the claim");
    enter_phase(&mut *fixture.conn().await, second, uuid::Uuid::now_v7(), RunPhase::Train).await.unwrap();
    let training = facts(&fixture, second.run_id).await;
    assert!(training.phase_since > claimed.phase_since);
    assert_eq!(training.attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(), [AttemptStatus::Failed, AttemptStatus::Running]);

    cancel_run(&mut *fixture.conn().await, second.run_id, "bela").await.unwrap();
    assert_eq!(facts(&fixture, second.run_id).await.cancelled_by.as_deref(), Some("bela"));
    aprendiz_runs::cancel_attempt(&mut *fixture.conn().await, second).await.unwrap();
    assert!(render_explanation(&facts(&fixture, second.run_id).await).summary.starts_with("cancelled by bela at "));
}

#[tokio::test]
async fn the_headline_of_a_succeeded_run_is_over_all_fields() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    let metric = |split, field: Option<&str>, name: &str, value| aprendiz_runs::NewMetric {
        split,
        field: field.map(str::to_owned),
        name: name.to_owned(),
        value: Some(value),
        details: None,
    };
    let metrics = [
        metric("test", None, "accuracy", 0.5),
        metric("test", Some("kind"), "accuracy", 0.75),
        metric("train", None, "accuracy", 1.0),
        metric("test", None, "ece", 0.1),
    ];
    publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), &metrics).await.unwrap();
    let succeeded = facts(&fixture, attempt.run_id).await;
    assert_eq!(succeeded.headline, [("test".to_owned(), "accuracy".to_owned(), 0.5)]);
    assert!(render_explanation(&succeeded).summary.ends_with("and published contracts version 1"));
}

#[tokio::test]
async fn an_unknown_run_cannot_be_explained() {
    let fixture = Fixture::new().await;
    let error = load_run_facts(&mut *fixture.conn().await, RunId::new_v7(), None).await.unwrap_err();
    assert!(matches!(error, RunsError::UnknownRun(_)), "{error}");
}
