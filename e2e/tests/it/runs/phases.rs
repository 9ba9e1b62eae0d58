//! Workers that are killed or stopped in each phase, and runs that are cancelled there. `interruption` and `resume` cover training.

use aprendiz_test_gate::Point;
use aprendiz_test_support::{FaultProxy, Process, wait_until};
use rustix::process::Signal;
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::objects;
use crate::fixture::{Gate, HeldStatement, Hold, SHORT_LEASE, TIMEOUT, TestApp, expect_json, training_spec};

/// Starts a run, and `worker-1`, which is held at the statement.
async fn held_run(app: &TestApp, statement: HeldStatement, variables: &[(&str, &str)]) -> (Uuid, Process, Gate) {
    let mut gate = Gate::close(app, statement).await;
    let worker = app.env.worker("worker-1", variables);
    let id = app.create_run(&training_spec()).await;
    gate.wait_until_reached().await;
    (id, worker, gate)
}

/// Checks that the second attempt completed the run, with one version and one snapshot.
async fn check_taken_over(app: &TestApp, id: Uuid) {
    assert_eq!(app.attempt_statuses(id).await, ["lost", "succeeded"]);
    let versions: Vec<(Uuid, i32, i32)> =
        sqlx::query_as("SELECT run_id, number, attempt_number FROM model_versions").fetch_all(app.pool()).await.unwrap();
    assert_eq!(versions, [(id, 1, 2)]);
    assert_eq!(app.count("SELECT count(*) FROM metrics WHERE attempt_number <> 2").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE state = 'live' AND key LIKE 'models/%' AND attempt_number <> 2").await, 0);
    objects::check(app).await;
}

async fn kill_at(statement: HeldStatement) {
    let app = TestApp::with_import(contracts()).await;
    let (id, mut worker, gate) = held_run(&app, statement, &[]).await;
    worker.kill();
    worker.wait(TIMEOUT).await;
    gate.open().await;
    app.expire_lease(id).await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    check_taken_over(&app, id).await;
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn a_worker_killed_while_it_records_a_snapshot_is_replaced() {
    kill_at(HeldStatement::Dataset).await;
}

#[tokio::test]
async fn a_worker_killed_while_it_evaluates_is_replaced() {
    kill_at(HeldStatement::Evaluate).await;
}

#[tokio::test]
async fn a_worker_killed_while_it_uploads_is_replaced() {
    kill_at(HeldStatement::Upload).await;
}

#[tokio::test]
async fn a_worker_killed_while_it_publishes_is_replaced() {
    kill_at(HeldStatement::Publish).await;
}

async fn stop_at(statement: HeldStatement) {
    let app = TestApp::with_import(contracts()).await;
    let (id, worker, gate) = held_run(&app, statement, &[SHORT_LEASE]).await;
    worker.signal(Signal::STOP);
    gate.open().await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    check_taken_over(&app, id).await;
    let before = app.run_tables().await;

    worker.signal(Signal::CONT);
    app.wait_for_log(&worker, "lease lost").await;
    assert_eq!(app.run_tables().await, before);
    check_taken_over(&app, id).await;
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn a_worker_stopped_while_it_records_a_snapshot_changes_nothing_later() {
    stop_at(HeldStatement::Dataset).await;
}

#[tokio::test]
async fn a_worker_stopped_while_it_evaluates_changes_nothing_later() {
    stop_at(HeldStatement::Evaluate).await;
}

#[tokio::test]
async fn a_worker_stopped_while_it_uploads_changes_nothing_later() {
    stop_at(HeldStatement::Upload).await;
}

#[tokio::test]
async fn a_worker_stopped_while_it_publishes_changes_nothing_later() {
    stop_at(HeldStatement::Publish).await;
}

/// Cancels a held run. Nothing of the model may remain.
async fn cancel(app: &TestApp, id: Uuid) {
    let run = expect_json(app.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(run["status"], "cancelling");
    let run = app.wait_for_end(id).await;
    assert_eq!(run["status"], "cancelled");
    assert_eq!(app.attempt_statuses(id).await, ["cancelled"]);
    for leftover in [
        "SELECT count(*) FROM model_versions",
        "SELECT count(*) FROM metrics",
        "SELECT count(*) FROM objects WHERE key LIKE 'models/%' AND state = 'live'",
    ] {
        assert_eq!(app.count(leftover).await, 0, "{leftover}");
    }
}

#[tokio::test]
async fn a_run_is_cancelled_while_postgres_builds_its_dataset() {
    let app = TestApp::with_import(contracts()).await;
    let id = app.create_run(&training_spec()).await;
    // the dataset builder waits for this lock in the middle of its statement
    let mut lock = app.pool().begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE document_texts IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let worker = app.env.worker("worker-1", &[]);
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    wait_until("the builder at the lock", TIMEOUT, async || (app.count(waits).await > 0).then_some(())).await;
    cancel(&app, id).await;
    // the statement was cancelled too, although its lock was never granted
    wait_until("the end of the statement", TIMEOUT, async || (app.count(waits).await == 0).then_some(())).await;
    lock.rollback().await.unwrap();
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_run_is_cancelled_while_the_bucket_hangs() {
    let app = TestApp::with_import(contracts()).await;
    let proxy = FaultProxy::start(&app.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let hold = Hold::at(&app, Point::Phase("upload"));
    let worker = app.env.worker("worker-1", &[("AWS_ENDPOINT_URL_S3", &endpoint)]);
    let id = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    proxy.stall();
    drop(hold);
    cancel(&app, id).await;
    proxy.pass();
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_run_is_cancelled_in_each_phase() {
    let app = TestApp::with_import(contracts()).await;
    for phase in ["dataset", "train", "evaluate", "upload", "publish"] {
        let hold = Hold::at(&app, Point::Phase(phase));
        let worker = app.env.worker(phase, &[]);
        let id = app.create_run(&training_spec()).await;
        hold.wait_until_reached().await;
        cancel(&app, id).await;
        drop((worker, hold));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_cancellation_during_publication_is_rejected() {
    let app = TestApp::with_import(contracts()).await;
    let (id, worker, gate) = held_run(&app, HeldStatement::Publish, &[]).await;
    // publication has locked the run: the cancellation waits and comes too late
    let request = tokio::spawn(app.api().post(&format!("/v1/training-runs/{id}/cancel")).send());
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'advisory'
        AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
    wait_until("the request at the lock", TIMEOUT, async || (app.count(waits).await > 0).then_some(())).await;
    gate.open().await;
    let response = request.await.unwrap().unwrap();
    assert_eq!(response.status().as_u16(), 409);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 1);
    objects::check(&app).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_cancellation_just_before_publication_leaves_no_model() {
    let app = TestApp::with_import(contracts()).await;
    let (id, worker, gate) = held_run(&app, HeldStatement::Upload, &[]).await;
    // confirming an object does not lock the run: the cancellation succeeds, and publication stops at its fence
    let run = expect_json(app.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(run["status"], "cancelling");
    gate.open().await;
    assert_eq!(app.wait_for_end(id).await["status"], "cancelled");
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE key LIKE 'models/%' AND state = 'live'").await, 0);
    drop(worker);
    app.finish().await;
}
