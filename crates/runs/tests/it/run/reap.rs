//! Recovery of runs with a lost worker, and of lost wake-ups.

use std::sync::Arc;
use std::time::Duration;

use aprendiz_runs::{AttemptStatus, Reaped, RunStatus, cancel_run, fail_attempt, reap_expired_leases, republish_unclaimed};
use serde_json::json;
use tokio::sync::Barrier;

use crate::fixture::{Fixture, TIMEOUT, failure};

async fn reap(fixture: &Fixture) -> Reaped {
    reap_expired_leases(&mut *fixture.conn().await, 100).await.unwrap()
}

#[tokio::test]
async fn a_valid_lease_is_left_alone() {
    let fixture = Fixture::new().await;
    fixture.running().await;
    let before = fixture.rows().await;
    assert_eq!(reap(&fixture).await, Reaped::default());
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn an_expired_lease_requeues_the_run_and_adds_an_outbox_entry() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.relay().await;
    fixture.expire(attempt).await;
    assert_eq!(reap(&fixture).await, Reaped { requeued: 1, ..Reaped::default() });
    let run = fixture.run(attempt.run_id).await;
    assert_eq!((run.status, run.phase, run.attempts_used), (RunStatus::Queued, None, 1));
    assert_eq!(fixture.attempts(attempt.run_id).await, [AttemptStatus::Lost]);
    assert_eq!(fixture.outbox_entries(attempt.run_id).await, 1);
    assert_eq!(fixture.events(attempt.run_id).await.pop().unwrap().payload, json!({ "status": "queued", "attempt": "lost" }));
    assert_eq!(fixture.claim_run(attempt.run_id).await.number, 2);
}

#[tokio::test]
async fn a_run_whose_attempts_are_used_up_fails() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run_with(|spec| spec.max_attempts = 2).await;
    let attempt = fixture.claim_run(id).await;
    fixture.expire(attempt).await;
    assert_eq!(reap(&fixture).await.requeued, 1);
    let attempt = fixture.claim_run(id).await;
    fixture.relay().await;
    fixture.expire(attempt).await;
    assert_eq!(reap(&fixture).await, Reaped { failed: 1, ..Reaped::default() });
    let run = fixture.run(id).await;
    assert_eq!((run.status, run.error_code.as_deref()), (RunStatus::Failed, Some("worker_lost")));
    assert!(run.finished_at.is_some());
    assert_eq!(fixture.attempts(id).await, [AttemptStatus::Lost, AttemptStatus::Lost]);
    assert_eq!(fixture.outbox_entries(id).await, 0);
    assert!(fixture.claim().await.is_none());
}

#[tokio::test]
async fn a_lost_host_does_not_quarantine_the_run() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.expire(attempt).await;
    reap(&fixture).await;
    let attempt = fixture.claim_run(attempt.run_id).await;
    let outcome = fail_attempt(&mut *fixture.conn().await, attempt, &failure("child_killed", true), 0.5).await.unwrap();
    assert_eq!(outcome, aprendiz_runs::FailureOutcome::Retrying);
}

#[tokio::test]
async fn a_cancelling_run_is_cancelled() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    cancel_run(&mut *fixture.conn().await, attempt.run_id, "ana").await.unwrap();
    fixture.relay().await;
    fixture.expire(attempt).await;
    assert_eq!(reap(&fixture).await, Reaped { cancelled: 1, ..Reaped::default() });
    let run = fixture.run(attempt.run_id).await;
    assert_eq!(run.status, RunStatus::Cancelled);
    assert!(run.finished_at.is_some());
    assert_eq!(fixture.attempts(attempt.run_id).await, [AttemptStatus::Lost]);
    assert_eq!(fixture.outbox_entries(attempt.run_id).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_reapers_take_each_run_back_once() {
    const RUNS: u32 = 30;
    const REAPERS: usize = 6;
    let fixture = Fixture::new().await;
    for _ in 0..RUNS {
        let attempt = fixture.running().await;
        fixture.expire(attempt).await;
    }
    fixture.relay().await;
    let barrier = Arc::new(Barrier::new(REAPERS));
    let reapers: Vec<_> = (0..REAPERS)
        .map(|_| {
            let (pool, barrier) = (fixture.pool().clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                let mut conn = pool.acquire().await.unwrap();
                barrier.wait().await;
                reap_expired_leases(&mut conn, 100).await.unwrap()
            })
        })
        .collect();
    let mut requeued = 0;
    for reaper in reapers {
        requeued += tokio::time::timeout(TIMEOUT, reaper).await.unwrap().unwrap().requeued;
    }
    assert_eq!(requeued, RUNS);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, i64::from(RUNS));
    assert_eq!(fixture.number("SELECT count(*) FROM attempts WHERE status = 'lost'").await, i64::from(RUNS));
    let lost_events = "SELECT count(*) FROM run_events WHERE payload ->> 'attempt' = 'lost'";
    assert_eq!(fixture.number(lost_events).await, i64::from(RUNS));
}

#[tokio::test]
async fn an_unclaimed_run_is_published_again_once() {
    const HOUR: Duration = Duration::from_secs(3600);
    let fixture = Fixture::new().await;
    let unclaimed = fixture.create_run().await;
    let fresh = fixture.create_run().await;
    let waiting = fixture.create_run().await;
    fixture.relay().await;
    let long_ago = "UPDATE training_runs SET run_after = run_after - interval '2 hours', created_at = created_at - interval '2 hours'";
    fixture.execute(&format!("{long_ago} WHERE id IN ('{unclaimed}', '{waiting}')")).await.unwrap();
    fixture
        .execute(&format!("UPDATE training_runs SET run_after = clock_timestamp() + interval '1 hour' WHERE id = '{waiting}'"))
        .await
        .unwrap();

    assert_eq!(republish_unclaimed(&mut *fixture.conn().await, HOUR, 10).await.unwrap(), 1);
    assert_eq!((fixture.outbox_entries(unclaimed).await, fixture.outbox_entries(fresh).await), (1, 0));
    assert_eq!(republish_unclaimed(&mut *fixture.conn().await, HOUR, 10).await.unwrap(), 0, "it is already in the outbox");

    // the relay has published it: a worker has an hour to claim it
    fixture.relay().await;
    fixture.execute(&format!("UPDATE training_runs SET wakeup_published_at = clock_timestamp() WHERE id = '{unclaimed}'")).await.unwrap();
    assert_eq!(republish_unclaimed(&mut *fixture.conn().await, HOUR, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_claimed_run_is_not_published_again() {
    let fixture = Fixture::new().await;
    fixture.running().await;
    fixture.relay().await;
    fixture.execute("UPDATE training_runs SET run_after = '2020-01-01', created_at = '2020-01-01'").await.unwrap();
    assert_eq!(republish_unclaimed(&mut *fixture.conn().await, Duration::ZERO, 10).await.unwrap(), 0);
}
