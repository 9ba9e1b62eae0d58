//! Order and exclusivity of claims.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{AttemptStatus, RunStatus, claim_next, list_attempts, renew_lease};
use chrono::{TimeDelta, Utc};
use serde_json::json;
use tokio::sync::Barrier;

use crate::fixture::{Fixture, LEASE, TIMEOUT};

#[tokio::test]
async fn greater_priority_goes_first_then_age() {
    let fixture = Fixture::new().await;
    let old = fixture.create_run().await;
    let young = fixture.create_run().await;
    let urgent = fixture.create_run_with(|spec| spec.priority = 10).await;
    let unloved = fixture.create_run_with(|spec| spec.priority = -10).await;
    let mut order = Vec::new();
    while let Some(claim) = fixture.claim().await {
        order.push(claim.run.id);
    }
    assert_eq!(order, [urgent, old, young, unloved]);
}

#[tokio::test]
async fn a_scheduled_run_is_not_claimed_early() {
    let fixture = Fixture::new().await;
    let later = fixture.create_run_with(|spec| spec.run_after = Some(Utc::now() + TimeDelta::hours(1))).await;
    assert!(fixture.claim().await.is_none());
    fixture.execute("UPDATE training_runs SET run_after = clock_timestamp()").await.unwrap();
    fixture.claim_run(later).await;
}

#[tokio::test]
async fn a_worker_claims_only_kinds_it_supports() {
    let fixture = Fixture::new().await;
    fixture.create_run().await;
    let evaluate = fixture.create_run_with(|spec| spec.kind = RunKind::Evaluate).await;
    let worker = fixture.worker().await;
    let claim = claim_next(&mut *fixture.conn().await, worker, &[RunKind::Evaluate], LEASE).await.unwrap().unwrap();
    assert_eq!(claim.run.id, evaluate);
    assert!(claim_next(&mut *fixture.conn().await, worker, &[RunKind::Evaluate], LEASE).await.unwrap().is_none());
}

#[tokio::test]
async fn a_claim_starts_an_attempt_with_a_lease() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run().await;
    let worker = fixture.worker().await;
    let lease = Duration::from_secs(600);
    let claim = claim_next(&mut *fixture.conn().await, worker, &[RunKind::Linear], lease).await.unwrap().unwrap();
    assert_eq!((claim.attempt.number, claim.run.attempt_number, claim.run.attempts_used), (1, 1, 1));
    assert_eq!(claim.run.status, RunStatus::Running);
    assert!(claim.run.started_at.is_some());
    let attempts = list_attempts(&mut *fixture.conn().await, id).await.unwrap();
    let attempt = &attempts[0];
    assert_eq!((attempts.len(), attempt.worker_id, attempt.status), (1, worker, AttemptStatus::Running));
    let left = attempt.lease_expires_at - attempt.started_at;
    assert!((left - TimeDelta::seconds(600)).abs() < TimeDelta::seconds(1), "{left}");
    let event = fixture.events(id).await.pop().unwrap();
    assert_eq!((event.attempt_number, event.payload), (Some(1), json!({ "status": "running", "worker": worker })));
    assert!(fixture.claim().await.is_none(), "a leased run is not claimable");
}

#[tokio::test]
async fn a_renewed_lease_lasts_longer() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.expire(attempt).await;
    renew_lease(&mut *fixture.conn().await, attempt, LEASE).await.unwrap();
    let reaped = aprendiz_runs::reap_expired_leases(&mut *fixture.conn().await, 10).await.unwrap();
    assert_eq!(reaped, aprendiz_runs::Reaped::default());
    assert_eq!(fixture.run(attempt.run_id).await.status, RunStatus::Running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_claims_never_share_a_run_and_leave_none() {
    const RUNS: usize = 40;
    const CLAIMERS: usize = 16;
    let fixture = Fixture::new().await;
    for _ in 0..RUNS {
        fixture.create_run().await;
    }
    let barrier = Arc::new(Barrier::new(CLAIMERS));
    let mut claimers = Vec::new();
    for _ in 0..CLAIMERS {
        let (pool, barrier, worker) = (fixture.pool().clone(), Arc::clone(&barrier), fixture.worker().await);
        claimers.push(tokio::spawn(async move {
            let mut conn = pool.acquire().await.unwrap();
            let mut claimed = Vec::new();
            barrier.wait().await;
            while let Some(claim) = claim_next(&mut conn, worker, &[RunKind::Linear], LEASE).await.unwrap() {
                claimed.push(claim.run.id);
            }
            claimed
        }));
    }
    let mut claimed = Vec::new();
    for claimer in claimers {
        claimed.extend(tokio::time::timeout(TIMEOUT, claimer).await.unwrap().unwrap());
    }
    let different: HashSet<_> = claimed.iter().copied().collect();
    assert_eq!((claimed.len(), different.len()), (RUNS, RUNS));
    assert_eq!(fixture.number("SELECT count(*) FROM attempts WHERE number = 1 AND status = 'running'").await, RUNS as i64);
}
