//! Workers that die, stop, hang, and runs that are cancelled, all in the middle of training.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use test_support::{Process, wait_until};
use uuid::Uuid;

use crate::child::{Child, long};
use crate::export::many_contracts;
use crate::objects;
use crate::site::{PATIENCE, Site, answered};

/// More than elsewhere, so that a training takes its time.
const DOCUMENTS: u64 = 250;
/// Short, so that a lost worker is noticed soon, and one that ends does not wait long for a child that is frozen.
const LEASE: &[(&str, &str)] = &[("APRENDIZ_LEASE_SECONDS", "2"), ("APRENDIZ_GRACE_SECONDS", "1")];
/// A run that was asked to cancel must be cancelled so soon.
const CANCELLED: Duration = Duration::from_secs(2);

/// A run that `worker-1` trains.
async fn training(site: &Site) -> (Uuid, Process) {
    let worker = site.env.worker("worker-1", LEASE);
    let id = site.create_run(&long()).await;
    site.trains(id).await;
    (id, worker)
}

/// The run ended well by its second attempt, and by nothing else.
async fn check_second_attempt(site: &Site, id: Uuid, first: &str) {
    assert_eq!(site.attempts(id).await, [first, "succeeded"]);
    let versions: Vec<(Uuid, i32, i32)> =
        sqlx::query_as("SELECT run_id, number, attempt_number FROM model_versions").fetch_all(site.pool()).await.unwrap();
    assert_eq!(versions, [(id, 1, 2)]);
    assert_eq!(site.count("SELECT count(*) FROM metrics WHERE attempt_number <> 2").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 1);
    objects::check(site).await;
}

#[tokio::test]
async fn a_killed_worker_loses_its_attempt_and_another_one_ends_the_run() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, mut worker) = training(&site).await;
    let child = Child::of(&worker);
    child.freeze();
    worker.kill();
    worker.wait(PATIENCE).await;
    child.is_gone().await;

    let second = site.env.worker("worker-2", LEASE);
    site.succeeded(id).await;
    check_second_attempt(&site, id, "lost").await;
    // a lost host is no fault of the run, but it counts
    assert_eq!(site.run(id).await["attempts_used"], 2);
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_hands_its_run_back_at_no_cost() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, mut worker) = training(&site).await;
    let child = Child::of(&worker);
    child.freeze();
    worker.terminate();
    let status = worker.wait(PATIENCE).await;
    assert!(status.success(), "{status}");
    assert!(!child.runs());
    let run = site.run(id).await;
    assert_eq!((&run["status"], &run["attempts_used"]), (&json!("queued"), &json!(0)), "{run}");
    assert_eq!(site.count("SELECT count(*) FROM workers WHERE stopped_at IS NULL").await, 0);

    let second = site.env.worker("worker-2", LEASE);
    let run = site.succeeded(id).await;
    assert_eq!(run["attempts_used"], 1);
    check_second_attempt(&site, id, "released").await;
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_run_is_cancelled_within_two_seconds_of_the_request() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, worker) = training(&site).await;
    let child = Child::of(&worker);
    child.freeze();
    let asked = Instant::now();
    let run = answered(site.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(run["status"], "cancelling");
    let run = site.ended(id).await;
    assert!(asked.elapsed() < CANCELLED, "{:?}", asked.elapsed());
    assert_eq!(run["status"], "cancelled");
    child.is_gone().await;
    assert_eq!(site.attempts(id).await, ["cancelled"]);
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE key LIKE 'models/%'").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM metrics").await, 0);

    // asked again it says the same; retried by hand it is a run like any other, on the snapshot that was built
    assert_eq!(answered(site.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await["status"], "cancelled");
    answered(site.api().post(&format!("/v1/training-runs/{id}/retry")), 202).await;
    site.succeeded(id).await;
    check_second_attempt(&site, id, "cancelled").await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_hung_beyond_its_lease_changes_nothing_when_it_goes_on() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, worker) = training(&site).await;
    let child = Child::of(&worker);
    child.freeze();
    worker.signal(Signal::STOP);
    // the child knows nothing of it and trains on: what it will have to tell comes too late
    child.thaw();
    let second = site.env.worker("worker-2", LEASE);
    site.succeeded(id).await;
    let before = site.state().await;

    worker.signal(Signal::CONT);
    wait_until("the late worker's insight", PATIENCE, async || worker.log().contains("the lease is lost").then_some(())).await;
    child.is_gone().await;
    assert_eq!(site.state().await, before);
    check_second_attempt(&site, id, "lost").await;

    // and it is of use again
    drop(second);
    let next = site.create_run(&json!({ "model": "contracts", "kind": "evaluate" })).await;
    site.succeeded(next).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_child_that_is_killed_twice_puts_its_run_into_quarantine() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, worker) = training(&site).await;
    kill(&worker).await;
    wait_until("the retry", PATIENCE, async || (site.run(id).await["status"] == "retrying").then_some(())).await;
    let run = site.run(id).await;
    assert_eq!(run["error_code"], "child_killed", "{run}");
    // as if the pause before the next attempt were over
    sqlx::raw_sql("UPDATE training_runs SET run_after = clock_timestamp(); UPDATE outbox SET due_at = clock_timestamp()")
        .execute(site.pool())
        .await
        .unwrap();
    site.trains(id).await;
    kill(&worker).await;
    let (code, reason) = site.failed(id).await;
    assert_eq!(code, "worker_killed");
    assert!(reason.contains("signal 9"), "{reason}");
    assert_eq!(site.attempts(id).await, ["failed", "failed"]);
    drop(worker);
    site.finish().await;
}

/// Kills the child alone, as the system does when memory runs out.
async fn kill(worker: &Process) {
    let child = Child::of(worker);
    child.kill();
    child.is_gone().await;
}
