//! Workers that are killed, terminated or stopped in the middle of training, and runs that are cancelled there.

use rustix::process::Signal;
use serde_json::json;
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::objects;
use crate::fixture::{HeldTraining, SHORT_LEASE, TIMEOUT, TestApp, evaluation_spec, expect_json};

/// Checks that the second attempt, and nothing else, completed the run.
async fn check_second_attempt(app: &TestApp, id: Uuid, first: &str) {
    assert_eq!(app.attempt_statuses(id).await, [first, "succeeded"]);
    let versions: Vec<(Uuid, i32, i32)> =
        sqlx::query_as("SELECT run_id, number, attempt_number FROM model_versions").fetch_all(app.pool()).await.unwrap();
    assert_eq!(versions, [(id, 1, 2)]);
    assert_eq!(app.count("SELECT count(*) FROM metrics WHERE attempt_number <> 2").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);
    objects::check(app).await;
}

#[tokio::test]
async fn a_killed_worker_loses_its_attempt_and_another_one_completes_the_run() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, mut worker, child, hold } = HeldTraining::start(&app, &[]).await;
    worker.kill();
    worker.wait(TIMEOUT).await;
    child.wait_for_exit().await;
    drop(hold);

    app.expire_lease(id).await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    check_second_attempt(&app, id, "lost").await;
    // a lost host is not a fault of the run, but counts as an attempt
    assert_eq!(app.run(id).await["attempts_used"], 2);
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn a_terminated_worker_releases_its_run_at_no_cost() {
    let app = TestApp::with_import(contracts()).await;
    // the training is held, so it cannot write a checkpoint within the grace time
    let HeldTraining { id, mut worker, child, hold } = HeldTraining::start(&app, &[("APRENDIZ_GRACE_SECONDS", "0.1")]).await;
    worker.terminate();
    let status = worker.wait(TIMEOUT).await;
    assert!(status.success(), "{status}");
    child.wait_for_exit().await;
    let run = app.run(id).await;
    assert_eq!((&run["status"], &run["attempts_used"]), (&json!("queued"), &json!(0)), "{run}");
    assert_eq!(app.count("SELECT count(*) FROM workers WHERE stopped_at IS NULL").await, 0);
    drop(hold);

    let second = app.env.worker("worker-2", &[]);
    let run = app.wait_for_success(id).await;
    assert_eq!(run["attempts_used"], 1);
    check_second_attempt(&app, id, "released").await;
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn a_run_is_cancelled_in_the_middle_of_its_training() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, child, hold } = HeldTraining::start(&app, &[]).await;
    let run = expect_json(app.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(run["status"], "cancelling");
    // the training is held: the run ends only if its process is killed
    let run = app.wait_for_end(id).await;
    assert_eq!(run["status"], "cancelled");
    child.wait_for_exit().await;
    assert_eq!(app.attempt_statuses(id).await, ["cancelled"]);
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE key LIKE 'models/%'").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM metrics").await, 0);
    drop(hold);

    // cancelling again changes nothing; a manual retry runs on the same snapshot
    assert_eq!(expect_json(app.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await["status"], "cancelled");
    expect_json(app.api().post(&format!("/v1/training-runs/{id}/retry")), 202).await;
    app.wait_for_success(id).await;
    check_second_attempt(&app, id, "cancelled").await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_worker_stopped_beyond_its_lease_changes_nothing_when_it_continues() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, child, hold } = HeldTraining::start(&app, &[SHORT_LEASE]).await;
    worker.signal(Signal::STOP);
    // the child trains on; its reports come too late
    drop(hold);
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    let before = app.run_tables().await;

    worker.signal(Signal::CONT);
    app.wait_for_log(&worker, "lease lost").await;
    child.wait_for_exit().await;
    assert_eq!(app.run_tables().await, before);
    check_second_attempt(&app, id, "lost").await;

    // and the worker claims runs again
    drop(second);
    let next = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(next).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_child_killed_twice_quarantines_its_run() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, child, hold } = HeldTraining::start(&app, &[]).await;
    child.kill();
    let run = app.wait_for_retry(id).await;
    assert_eq!(run["error_code"], "child_killed", "{run}");
    app.end_retry_delays().await;
    hold.wait_until_reached().await.kill();
    let (code, reason) = app.wait_for_failure(id).await;
    assert_eq!(code, "training_process_killed");
    assert!(reason.contains("signal 9"), "{reason}");
    assert_eq!(app.attempt_statuses(id).await, ["failed", "failed"]);
    drop(worker);
    app.finish().await;
}
