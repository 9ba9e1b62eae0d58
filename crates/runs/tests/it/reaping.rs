//! What becomes of runs whose worker is gone, and of announcements that were lost.

use std::sync::Arc;
use std::time::Duration;

use runs::{AttemptStatus, Reaped, RunStatus, cancel_run, fail_attempt, reannounce_unclaimed, reap_expired_leases};
use serde_json::json;
use tokio::sync::Barrier;

use crate::fixture::{Fixture, LIMIT, failure};

async fn reap(fixture: &Fixture) -> Reaped {
    reap_expired_leases(&mut *fixture.conn().await, 100).await.unwrap()
}

#[tokio::test]
async fn a_lease_that_lasts_is_left_alone() {
    let fixture = Fixture::new().await;
    fixture.running().await;
    let before = fixture.rows().await;
    assert_eq!(reap(&fixture).await, Reaped::default());
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn an_expired_lease_gives_the_run_back_and_announces_it() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    fixture.relay().await;
    fixture.expire(key).await;
    assert_eq!(reap(&fixture).await, Reaped { requeued: 1, ..Reaped::default() });
    let run = fixture.run(key.run_id).await;
    assert_eq!((run.status, run.phase, run.attempts_used), (RunStatus::Queued, None, 1));
    assert_eq!(fixture.attempts(key.run_id).await, [AttemptStatus::Lost]);
    assert_eq!(fixture.announcements(key.run_id).await, 1);
    assert_eq!(fixture.events(key.run_id).await.pop().unwrap().payload, json!({ "status": "queued", "attempt": "lost" }));
    assert_eq!(fixture.claim_of(key.run_id).await.number, 2);
}

#[tokio::test]
async fn a_run_whose_attempts_are_used_up_fails() {
    let fixture = Fixture::new().await;
    let id = fixture.queued_with(|spec| spec.max_attempts = 2).await;
    let key = fixture.claim_of(id).await;
    fixture.expire(key).await;
    assert_eq!(reap(&fixture).await.requeued, 1);
    let key = fixture.claim_of(id).await;
    fixture.relay().await;
    fixture.expire(key).await;
    assert_eq!(reap(&fixture).await, Reaped { failed: 1, ..Reaped::default() });
    let run = fixture.run(id).await;
    assert_eq!((run.status, run.error_code.as_deref()), (RunStatus::Failed, Some("worker_lost")));
    assert!(run.finished_at.is_some());
    assert_eq!(fixture.attempts(id).await, [AttemptStatus::Lost, AttemptStatus::Lost]);
    assert_eq!(fixture.announcements(id).await, 0);
    assert!(fixture.claim().await.is_none());
}

#[tokio::test]
async fn a_lost_host_is_no_reason_for_quarantine() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    fixture.expire(key).await;
    reap(&fixture).await;
    let key = fixture.claim_of(key.run_id).await;
    let outcome = fail_attempt(&mut *fixture.conn().await, key, &failure("child_killed", true), 0.5).await.unwrap();
    assert_eq!(outcome, runs::FailureOutcome::Retrying);
}

#[tokio::test]
async fn a_run_that_was_being_cancelled_is_cancelled() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    cancel_run(&mut *fixture.conn().await, key.run_id, "ana").await.unwrap();
    fixture.relay().await;
    fixture.expire(key).await;
    assert_eq!(reap(&fixture).await, Reaped { cancelled: 1, ..Reaped::default() });
    let run = fixture.run(key.run_id).await;
    assert_eq!(run.status, RunStatus::Cancelled);
    assert!(run.finished_at.is_some());
    assert_eq!(fixture.attempts(key.run_id).await, [AttemptStatus::Lost]);
    assert_eq!(fixture.announcements(key.run_id).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reapers_at_once_take_each_run_back_once() {
    const RUNS: u32 = 30;
    const REAPERS: usize = 6;
    let fixture = Fixture::new().await;
    for _ in 0..RUNS {
        let key = fixture.running().await;
        fixture.expire(key).await;
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
        requeued += tokio::time::timeout(LIMIT, reaper).await.unwrap().unwrap().requeued;
    }
    assert_eq!(requeued, RUNS);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, i64::from(RUNS));
    assert_eq!(fixture.number("SELECT count(*) FROM attempts WHERE status = 'lost'").await, i64::from(RUNS));
    let told = "SELECT count(*) FROM run_events WHERE payload ->> 'attempt' = 'lost'";
    assert_eq!(fixture.number(told).await, i64::from(RUNS));
}

#[tokio::test]
async fn what_nobody_claims_is_announced_again_once() {
    const HOUR: Duration = Duration::from_secs(3600);
    let fixture = Fixture::new().await;
    let forgotten = fixture.queued().await;
    let fresh = fixture.queued().await;
    let waiting = fixture.queued().await;
    fixture.relay().await;
    let long_ago = "UPDATE training_runs SET run_after = run_after - interval '2 hours', created_at = created_at - interval '2 hours'";
    fixture.execute(&format!("{long_ago} WHERE id IN ('{forgotten}', '{waiting}')")).await.unwrap();
    fixture
        .execute(&format!("UPDATE training_runs SET run_after = clock_timestamp() + interval '1 hour' WHERE id = '{waiting}'"))
        .await
        .unwrap();

    assert_eq!(reannounce_unclaimed(&mut *fixture.conn().await, HOUR, 10).await.unwrap(), 1);
    assert_eq!((fixture.announcements(forgotten).await, fixture.announcements(fresh).await), (1, 0));
    assert_eq!(reannounce_unclaimed(&mut *fixture.conn().await, HOUR, 10).await.unwrap(), 0, "it waits in the outbox already");

    // the relay has announced it: there is an hour for a worker to come
    fixture.relay().await;
    fixture.execute(&format!("UPDATE training_runs SET announced_at = clock_timestamp() WHERE id = '{forgotten}'")).await.unwrap();
    assert_eq!(reannounce_unclaimed(&mut *fixture.conn().await, HOUR, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_claimed_run_is_not_announced_again() {
    let fixture = Fixture::new().await;
    fixture.running().await;
    fixture.relay().await;
    fixture.execute("UPDATE training_runs SET run_after = '2020-01-01', created_at = '2020-01-01'").await.unwrap();
    assert_eq!(reannounce_unclaimed(&mut *fixture.conn().await, Duration::ZERO, 10).await.unwrap(), 0);
}
