//! Cancellation in every state and under concurrency.

use std::sync::Arc;

use aprendiz_runs::{
    AttemptStatus, EventKind, FailureOutcome, RunStatus, RunsError, cancel_attempt, cancel_run, cancel_was_requested, fail_attempt,
    publish, release_attempt, retry_run,
};
use serde_json::json;
use tokio::sync::Barrier;

use crate::fixture::{Fixture, TIMEOUT, failure};

#[tokio::test]
async fn a_waiting_run_is_cancelled_at_once() {
    let fixture = Fixture::new().await;
    let queued = fixture.create_run().await;
    let run = cancel_run(&mut *fixture.conn().await, queued, "ana").await.unwrap();
    assert_eq!(run.status, RunStatus::Cancelled);
    assert!(run.finished_at.is_some() && run.cancel_requested_at.is_some());
    assert!(fixture.claim().await.is_none());
    let last = fixture.events(queued).await.pop().unwrap();
    assert_eq!((last.kind, last.payload), (EventKind::End, json!({ "status": "cancelled" })));

    let attempt = fixture.running().await;
    fail_attempt(&mut *fixture.conn().await, attempt, &failure("database_away", true), 0.5).await.unwrap();
    let run = cancel_run(&mut *fixture.conn().await, attempt.run_id, "ana").await.unwrap();
    assert_eq!((run.status, run.attempts_used), (RunStatus::Cancelled, 1));
    assert_eq!((run.error_code, run.error_text), (None, None), "it did not fail");
}

#[tokio::test]
async fn no_attempt_ends_as_cancelled_without_a_request() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let before = fixture.rows().await;
    let error = cancel_attempt(&mut *fixture.conn().await, attempt).await.unwrap_err();
    assert!(matches!(error, RunsError::WrongState { status: RunStatus::Running, .. }), "{error}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn a_running_run_becomes_cancelling_and_its_worker_ends_it() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    assert!(!cancel_was_requested(&mut *fixture.conn().await, attempt).await.unwrap());
    let run = cancel_run(&mut *fixture.conn().await, attempt.run_id, "ana").await.unwrap();
    assert_eq!((run.status, run.finished_at), (RunStatus::Cancelling, None));
    assert!(cancel_was_requested(&mut *fixture.conn().await, attempt).await.unwrap());
    cancel_attempt(&mut *fixture.conn().await, attempt).await.unwrap();
    assert_eq!(fixture.run(attempt.run_id).await.status, RunStatus::Cancelled);
    assert_eq!(fixture.attempts(attempt.run_id).await, [AttemptStatus::Cancelled]);
}

#[tokio::test]
async fn repeating_the_request_changes_nothing() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    cancel_run(&mut *fixture.conn().await, attempt.run_id, "ana").await.unwrap();
    let before = fixture.rows().await;
    assert_eq!(cancel_run(&mut *fixture.conn().await, attempt.run_id, "bela").await.unwrap().status, RunStatus::Cancelling);
    assert_eq!(fixture.rows().await, before);

    cancel_attempt(&mut *fixture.conn().await, attempt).await.unwrap();
    let before = fixture.rows().await;
    assert_eq!(cancel_run(&mut *fixture.conn().await, attempt.run_id, "bela").await.unwrap().status, RunStatus::Cancelled);
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn a_run_that_ended_otherwise_cannot_be_cancelled() {
    let fixture = Fixture::new().await;
    let succeeded = fixture.running().await;
    fixture.publish(succeeded).await;
    let failed = fixture.running().await;
    fail_attempt(&mut *fixture.conn().await, failed, &failure("no_examples", false), 0.5).await.unwrap();
    let before = fixture.rows().await;
    for attempt in [succeeded, failed] {
        let error = cancel_run(&mut *fixture.conn().await, attempt.run_id, "ana").await.unwrap_err();
        assert!(matches!(error, RunsError::WrongState { .. }), "{error}");
    }
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn every_end_of_a_cancelling_attempt_cancels_the_run() {
    let fixture = Fixture::new().await;
    let released = fixture.running().await;
    cancel_run(&mut *fixture.conn().await, released.run_id, "ana").await.unwrap();
    let failed = fixture.running().await;
    cancel_run(&mut *fixture.conn().await, failed.run_id, "ana").await.unwrap();
    fixture.relay().await;

    release_attempt(&mut *fixture.conn().await, released).await.unwrap();
    let outcome = fail_attempt(&mut *fixture.conn().await, failed, &failure("child_killed", true), 0.5).await.unwrap();
    assert_eq!(outcome, FailureOutcome::Cancelled);
    for attempt in [released, failed] {
        assert_eq!(fixture.run(attempt.run_id).await.status, RunStatus::Cancelled);
        assert_eq!(fixture.outbox_entries(attempt.run_id).await, 0);
    }
}

#[tokio::test]
async fn a_cancelled_run_can_be_retried() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run().await;
    cancel_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    let run = retry_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    assert_eq!((run.status, run.cancel_requested_at, run.finished_at), (RunStatus::Queued, None, None));
    let attempt = fixture.claim_run(id).await;
    assert!(!cancel_was_requested(&mut *fixture.conn().await, attempt).await.unwrap());
}

#[tokio::test]
async fn a_cancellation_decides_by_the_state_it_finds_after_waiting_for_the_lock() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fail_attempt(&mut *fixture.conn().await, attempt, &failure("no_examples", false), 0.5).await.unwrap();
    // a retry of the failed run is in progress, and a cancellation waits for it
    let mut retrying = fixture.pool().begin().await.unwrap();
    retry_run(&mut retrying, attempt.run_id, "bela").await.unwrap();
    let mut conn = fixture.conn().await;
    let cancelling = tokio::spawn(async move { cancel_run(&mut conn, attempt.run_id, "ana").await });
    fixture.wait_for_blocked_statement().await;
    retrying.commit().await.unwrap();
    let run = tokio::time::timeout(TIMEOUT, cancelling).await.unwrap().unwrap().unwrap();
    assert_eq!(run.status, RunStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_cancellation_and_publication_wins() {
    let fixture = Fixture::new().await;
    let mut published = 0;
    for _ in 0..50 {
        let attempt = fixture.running().await;
        let trained = fixture.trained(attempt, &[]).await;
        let barrier = Arc::new(Barrier::new(2));
        let mut conn = fixture.conn().await;
        let start = Arc::clone(&barrier);
        let worker = tokio::spawn(async move {
            start.wait().await;
            let outcome = publish(&mut conn, attempt, Some(&trained.version()), &[]).await;
            if let Err(error) = &outcome {
                assert!(matches!(error, RunsError::CancelRequested { .. }), "{error}");
                assert!(cancel_was_requested(&mut conn, attempt).await.unwrap());
                cancel_attempt(&mut conn, attempt).await.unwrap();
            }
            outcome.is_ok()
        });
        let mut conn = fixture.conn().await;
        let person = tokio::spawn(async move {
            barrier.wait().await;
            let outcome = cancel_run(&mut conn, attempt.run_id, "ana").await;
            if let Err(error) = &outcome {
                assert!(matches!(error, RunsError::WrongState { status: RunStatus::Succeeded, .. }), "{error}");
            }
            outcome.is_ok()
        });
        let worker_won = tokio::time::timeout(TIMEOUT, worker).await.unwrap().unwrap();
        let person_won = tokio::time::timeout(TIMEOUT, person).await.unwrap().unwrap();
        assert_ne!(worker_won, person_won);
        let run = fixture.run(attempt.run_id).await;
        assert_eq!(run.status, if worker_won { RunStatus::Succeeded } else { RunStatus::Cancelled });
        assert_eq!(run.model_version.is_some(), worker_won);
        let live = format!("SELECT count(*) FROM objects WHERE run_id = '{}' AND state = 'live'", run.id);
        assert_eq!(fixture.number(&live).await, if worker_won { 2 } else { 0 });
        published += i64::from(worker_won);
    }
    assert_eq!(fixture.number("SELECT coalesce(max(last_number), 0)::int8 FROM models").await, published, "no version number is skipped");
}
