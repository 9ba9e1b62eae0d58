//! Workers that die or hang, and runs that are cancelled, in each phase. Training itself is in `interruption` and `resume`.

use aprendiz_test_gate::Point;
use rustix::process::Signal;
use serde_json::{Value, json};
use test_support::{FaultProxy, Process, wait_until};
use uuid::Uuid;

use crate::export::contracts;
use crate::gate::{Gate, Place};
use crate::hold::Hold;
use crate::objects;
use crate::site::{PATIENCE, SHORT_LEASE, Site, answered};

fn spec() -> Value {
    json!({ "model": "contracts" })
}

/// A run that `worker-1` has brought to the place.
async fn held(site: &Site, place: Place, variables: &[(&str, &str)]) -> (Uuid, Process, Gate) {
    let mut gate = Gate::close(site, place).await;
    let worker = site.env.worker("worker-1", variables);
    let id = site.create_run(&spec()).await;
    gate.reached().await;
    (id, worker, gate)
}

/// One succeeded run, one version, one snapshot, and attempts that tell the truth.
async fn check_taken_over(site: &Site, id: Uuid) {
    assert_eq!(site.attempts(id).await, ["lost", "succeeded"]);
    let versions: Vec<(Uuid, i32, i32)> =
        sqlx::query_as("SELECT run_id, number, attempt_number FROM model_versions").fetch_all(site.pool()).await.unwrap();
    assert_eq!(versions, [(id, 1, 2)]);
    assert_eq!(site.count("SELECT count(*) FROM metrics WHERE attempt_number <> 2").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE state = 'live' AND key LIKE 'models/%' AND attempt_number <> 2").await, 0);
    objects::check(site).await;
}

async fn killed(place: Place) {
    let site = Site::with(contracts()).await;
    let (id, mut worker, gate) = held(&site, place, &[]).await;
    worker.kill();
    worker.wait(PATIENCE).await;
    gate.open().await;
    site.expire_lease(id).await;
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    check_taken_over(&site, id).await;
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_worker_killed_while_it_records_a_snapshot_is_replaced() {
    killed(Place::Dataset).await;
}

#[tokio::test]
async fn a_worker_killed_while_it_evaluates_is_replaced() {
    killed(Place::Evaluate).await;
}

#[tokio::test]
async fn a_worker_killed_while_it_uploads_is_replaced() {
    killed(Place::Upload).await;
}

#[tokio::test]
async fn a_worker_killed_while_it_publishes_is_replaced() {
    killed(Place::Publish).await;
}

async fn hung(place: Place) {
    let site = Site::with(contracts()).await;
    let (id, worker, gate) = held(&site, place, &[SHORT_LEASE]).await;
    worker.signal(Signal::STOP);
    gate.open().await;
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    check_taken_over(&site, id).await;
    let before = site.state().await;

    worker.signal(Signal::CONT);
    site.logged(&worker, "lease lost").await;
    assert_eq!(site.state().await, before);
    check_taken_over(&site, id).await;
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_hung_while_it_recorded_a_snapshot_changes_nothing_later() {
    hung(Place::Dataset).await;
}

#[tokio::test]
async fn a_worker_that_hung_while_it_evaluated_changes_nothing_later() {
    hung(Place::Evaluate).await;
}

#[tokio::test]
async fn a_worker_that_hung_while_it_uploaded_changes_nothing_later() {
    hung(Place::Upload).await;
}

#[tokio::test]
async fn a_worker_that_hung_while_it_published_changes_nothing_later() {
    hung(Place::Publish).await;
}

/// Asks to cancel what cannot go on, and demands that nothing of the model is left.
async fn cancel(site: &Site, id: Uuid) {
    let run = answered(site.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(run["status"], "cancelling");
    let run = site.ended(id).await;
    assert_eq!(run["status"], "cancelled");
    assert_eq!(site.attempts(id).await, ["cancelled"]);
    for nothing in [
        "SELECT count(*) FROM model_versions",
        "SELECT count(*) FROM metrics",
        "SELECT count(*) FROM objects WHERE key LIKE 'models/%' AND state = 'live'",
    ] {
        assert_eq!(site.count(nothing).await, 0, "{nothing}");
    }
}

#[tokio::test]
async fn a_run_is_cancelled_while_postgres_builds_its_dataset() {
    let site = Site::with(contracts()).await;
    let id = site.create_run(&spec()).await;
    // the builder waits for this lock in the middle of its statement
    let mut lock = site.pool().begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE document_texts IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let worker = site.env.worker("worker-1", &[]);
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    wait_until("the builder at the lock", PATIENCE, async || (site.count(waits).await > 0).then_some(())).await;
    cancel(&site, id).await;
    // not only the run: the statement has stopped too, although its lock was never granted
    wait_until("the end of the statement", PATIENCE, async || (site.count(waits).await == 0).then_some(())).await;
    lock.rollback().await.unwrap();
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_run_is_cancelled_while_the_bucket_hangs() {
    let site = Site::with(contracts()).await;
    let proxy = FaultProxy::start(&site.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let hold = Hold::at(&site, Point::Phase("upload"));
    let worker = site.env.worker("worker-1", &[("AWS_ENDPOINT_URL_S3", &endpoint)]);
    let id = site.create_run(&spec()).await;
    hold.reached().await;
    proxy.stall();
    drop(hold);
    cancel(&site, id).await;
    proxy.pass();
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_run_is_cancelled_in_each_phase() {
    let site = Site::with(contracts()).await;
    for phase in ["dataset", "train", "evaluate", "upload", "publish"] {
        let hold = Hold::at(&site, Point::Phase(phase));
        let worker = site.env.worker(phase, &[]);
        let id = site.create_run(&spec()).await;
        hold.reached().await;
        cancel(&site, id).await;
        drop((worker, hold));
    }
    site.finish().await;
}

#[tokio::test]
async fn a_cancellation_that_meets_the_publication_ends_in_one_of_the_two() {
    let site = Site::with(contracts()).await;
    let (id, worker, gate) = held(&site, Place::Publish, &[]).await;
    // the publication holds the run: the request to cancel waits for it, and comes too late
    let request = tokio::spawn(site.api().post(&format!("/v1/training-runs/{id}/cancel")).send());
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'advisory'
        AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
    wait_until("the request at the lock", PATIENCE, async || (site.count(waits).await > 0).then_some(())).await;
    gate.open().await;
    let answer = request.await.unwrap().unwrap();
    assert_eq!(answer.status().as_u16(), 409);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 1);
    objects::check(&site).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_cancellation_just_before_the_publication_leaves_no_model() {
    let site = Site::with(contracts()).await;
    let (id, worker, gate) = held(&site, Place::Upload, &[]).await;
    // confirming an object holds no run: the request goes through, and the publication finds that out at its fence
    let run = answered(site.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(run["status"], "cancelling");
    gate.open().await;
    assert_eq!(site.ended(id).await["status"], "cancelled");
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE key LIKE 'models/%' AND state = 'live'").await, 0);
    drop(worker);
    site.finish().await;
}
