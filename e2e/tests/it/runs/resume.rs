//! Checkpoints: an interrupted training resumes on another worker and produces the same bytes.

use aprendiz_test_gate::Point;
use aprendiz_test_support::{FaultProxy, wait_until};

use crate::fixture::checkpoints::{EVERY_STEP, model_hashes, resumed_steps, stored_steps, wait_until_stored};
use crate::fixture::exports::contracts;
use crate::fixture::objects;
use crate::fixture::{Hold, TIMEOUT, TestApp, get_bytes, training_spec};

/// Environment of a worker that writes a checkpoint only when it is terminated.
const NO_CHECKPOINTS: &[(&str, &str)] = &[("APRENDIZ_CHECKPOINT_SECONDS", "86400")];

#[tokio::test]
async fn a_training_killed_twice_produces_the_bytes_of_an_uninterrupted_one() {
    let app = TestApp::with_import(contracts()).await;
    let uninterrupted = app.env.worker("uninterrupted", NO_CHECKPOINTS);
    let plain = app.create_run(&training_spec()).await;
    app.wait_for_success(plain).await;
    assert!(stored_steps(&app, plain).await.is_empty());
    drop(uninterrupted);

    let id = app.create_run(&training_spec()).await;
    for step in [6, 15] {
        let hold = Hold::at(&app, Point::AfterCheckpoint(step));
        let mut worker = app.env.worker(&format!("worker-{step}"), EVERY_STEP);
        let child = hold.wait_until_reached().await;
        wait_until_stored(&app, id, step.cast_signed()).await;
        worker.kill();
        worker.wait(TIMEOUT).await;
        child.wait_for_exit().await;
        drop(hold);
        app.expire_lease(id).await;
    }
    let third = app.env.worker("worker-3", &[]);
    app.wait_for_success(id).await;

    assert_eq!(app.attempt_statuses(id).await, ["lost", "lost", "succeeded"]);
    assert_eq!(model_hashes(&app, id).await, model_hashes(&app, plain).await);
    let steps = stored_steps(&app, id).await;
    assert!(steps.is_sorted(), "{steps:?}");
    // no step before a checkpoint is repeated
    assert_eq!(resumed_steps(&app, id).await, [None, Some(6), Some(15)]);
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT attempt_number FROM model_versions WHERE run_id = $1").bind(id).fetch_all(app.pool()).await.unwrap();
    assert_eq!(versions, [3]);
    objects::check(&app).await;
    drop(third);
    app.finish().await;
}

#[tokio::test]
async fn a_terminated_worker_writes_a_checkpoint_first() {
    let app = TestApp::with_import(contracts()).await;
    // without the signal, the worker would write none
    let hold = Hold::at(&app, Point::Step(7));
    let mut worker = app.env.worker("worker-1", &[NO_CHECKPOINTS, &[("APRENDIZ_GRACE_SECONDS", "3600")]].concat());
    let id = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    worker.terminate();
    app.wait_for_log(&worker, "a second signal exits immediately").await;
    drop(hold);
    let status = worker.wait(TIMEOUT).await;
    assert!(status.success(), "{status}");
    assert_eq!(app.attempt_statuses(id).await, ["released"]);
    assert_eq!(app.run(id).await["attempts_used"], 0);
    let steps = stored_steps(&app, id).await;
    assert_eq!(steps.len(), 1, "{steps:?}");

    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    assert_eq!(resumed_steps(&app, id).await, [None, Some(steps[0])]);
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn after_a_damaged_checkpoint_the_previous_one_is_used() {
    let app = TestApp::with_import(contracts()).await;
    let hold = Hold::at(&app, Point::AfterCheckpoint(3));
    let mut worker = app.env.worker("worker-1", EVERY_STEP);
    let id = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    wait_until_stored(&app, id, 3).await;
    hold.move_to(Point::AfterCheckpoint(4));
    let child = hold.wait_until_reached().await;
    wait_until_stored(&app, id, 4).await;
    worker.kill();
    worker.wait(TIMEOUT).await;
    child.wait_for_exit().await;
    drop(hold);
    let left: Vec<(i64, String)> = sqlx::query_as("SELECT step, object_key FROM checkpoints WHERE run_id = $1 ORDER BY step")
        .bind(id)
        .fetch_all(app.pool())
        .await
        .unwrap();
    // older ones are deleted
    let [(3, _), (4, newest)] = &left[..] else { panic!("{left:?}") };
    app.put_object(newest, b"damaged").await;

    app.expire_lease(id).await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    assert_eq!(resumed_steps(&app, id).await, [None, Some(3)]);
    assert!(second.log().contains("checkpoint is unusable"), "{}", second.log());
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn a_failed_checkpoint_upload_is_a_warning_and_does_not_fail_the_training() {
    let app = TestApp::with_import(contracts()).await;
    let proxy = FaultProxy::start(&app.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let hold = Hold::at(&app, Point::BeforeCheckpoint(5));
    let worker = app.env.worker("worker-1", &[EVERY_STEP, &[("AWS_ENDPOINT_URL_S3", &endpoint)]].concat());
    let id = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    proxy.refuse();
    hold.move_to(Point::AfterCheckpoint(5));
    hold.wait_until_reached().await;
    app.wait_for_log(&worker, "checkpoint upload failed").await;
    proxy.pass();
    drop(hold);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    // and the model can be downloaded
    assert!(!get_bytes(&app.api(), &format!("/v1/training-runs/{id}/model?file=model.safetensors")).await.is_empty());
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn the_last_checkpoint_of_a_killed_child_is_uploaded_before_its_attempt_ends() {
    let app = TestApp::with_import(contracts()).await;
    let proxy = FaultProxy::start(&app.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let hold = Hold::at(&app, Point::AfterCheckpoint(2));
    let worker = app.env.worker("worker-1", &[EVERY_STEP, &[("AWS_ENDPOINT_URL_S3", &endpoint)]].concat());
    let id = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    wait_until_stored(&app, id, 2).await;
    // the upload of the next one has begun when the child dies
    proxy.stall();
    hold.move_to(Point::AfterCheckpoint(3));
    let child = hold.wait_until_reached().await;
    let pending = "SELECT count(*) FROM objects WHERE state = 'pending' AND key LIKE 'checkpoints/%'";
    wait_until("an upload", TIMEOUT, async || (app.count(pending).await == 1).then_some(())).await;
    child.kill();
    child.wait_for_exit().await;
    proxy.pass();
    drop(hold);
    wait_until("the retry", TIMEOUT, async || (app.run(id).await["status"] == "retrying").then_some(())).await;
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    assert_eq!(resumed_steps(&app, id).await, [None, Some(3)]);
    assert_eq!(app.attempt_statuses(id).await, ["failed", "succeeded"]);
    drop(worker);
    app.finish().await;
}
