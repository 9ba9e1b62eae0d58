//! Supervision of the training process, shutdown, drain, and the probes of a worker.

use aprendiz_test_gate::Point;
use aprendiz_test_support::wait_until;
use serde_json::json;
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{HeldTraining, Hold, TIMEOUT, TestApp, evaluation_spec, expect_json, training_spec};

async fn worker_id(app: &TestApp) -> Uuid {
    sqlx::query_scalar("SELECT id FROM workers ORDER BY started_at DESC LIMIT 1").fetch_one(app.pool()).await.unwrap()
}

#[tokio::test]
async fn a_silent_child_is_killed_and_its_run_is_retried() {
    let app = TestApp::with_import(contracts()).await;
    let hold = Hold::at(&app, Point::Step(5));
    let mut worker = app.env.worker("worker-1", &[("APRENDIZ_CHILD_SILENCE_SECONDS", "1")]);
    let id = app.create_run(&training_spec()).await;
    // a held child reports nothing; on a slow machine it may not have reached the gate yet
    let run = app.wait_for_retry(id).await;
    assert_eq!(run["error_code"], "child_silent", "{run}");
    worker.kill();
    worker.wait(TIMEOUT).await;
    drop(hold);
    let second = app.env.worker("worker-2", &[]);
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["failed", "succeeded"]);
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn a_child_that_keeps_reporting_is_not_silent() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[("APRENDIZ_CHILD_SILENCE_SECONDS", "20")]).await;
    hold.keep_reporting();
    let progress = "SELECT count(*) FROM run_events WHERE kind = 'metric'";
    let before = app.count(progress).await;
    wait_until("progress of a held training", TIMEOUT, async || (app.count(progress).await > before + 3).then_some(())).await;
    drop(hold);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, mut worker, child, hold } = HeldTraining::start(&app, &[("APRENDIZ_GRACE_SECONDS", "3600")]).await;
    worker.terminate();
    app.wait_for_log(&worker, "a second signal exits immediately").await;
    assert!(worker.is_running());
    worker.terminate();
    // the grace time would be an hour
    assert_eq!(worker.wait(TIMEOUT).await.code(), Some(130));
    child.wait_for_exit().await;
    drop(hold);
    // the run was not released: its lease expires
    app.expire_lease(id).await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["lost", "succeeded"]);
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn a_drained_worker_finishes_its_run_and_claims_no_other() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, mut worker, hold, .. } = HeldTraining::start(&app, &[("APRENDIZ_GRACE_SECONDS", "3600")]).await;
    let drained = worker_id(&app).await;
    expect_json(app.api().post(&format!("/v1/workers/{drained}/drain")), 202).await;
    let waiting = app.create_run(&evaluation_spec()).await;
    app.wait_for_log(&worker, "drain requested by an operator").await;
    drop(hold);
    assert!(worker.wait(TIMEOUT).await.success());
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    assert_eq!(app.run(waiting).await["status"], "queued");
    assert_eq!(app.count("SELECT count(*) FROM workers WHERE stopped_at IS NULL").await, 0);

    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(waiting).await;
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn a_worker_drained_with_release_runs_releases_its_run_with_a_checkpoint() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, mut worker, hold, .. } = HeldTraining::start(&app, &[("APRENDIZ_GRACE_SECONDS", "3600")]).await;
    let drained = worker_id(&app).await;
    expect_json(app.api().post(&format!("/v1/workers/{drained}/drain")).json(&json!({ "release_runs": true })), 202).await;
    app.wait_for_log(&worker, "drain requested by an operator").await;
    drop(hold);
    assert!(worker.wait(TIMEOUT).await.success());
    assert_eq!(app.attempt_statuses(id).await, ["released"]);
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    assert_eq!(app.count("SELECT count(*) FROM attempts WHERE resumed_from_step > 0").await, 1);
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn the_probes_of_a_worker_report_its_state() {
    let mut app = TestApp::with_import(contracts()).await;
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut worker = app.env.worker("worker-1", &[("APRENDIZ_PROBE_LISTEN", &address), ("APRENDIZ_GRACE_SECONDS", "3600")]);
    let client = reqwest::Client::builder().build().unwrap();
    let probe = async |path: &str| {
        let response = client.get(format!("http://{address}{path}")).send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    };
    let ready = async |status: u16, needle: &str| {
        let response = probe("/readyz").await?;
        (response.0 == status && response.1.contains(needle)).then_some(response)
    };
    wait_until("a ready worker", TIMEOUT, async || ready(200, "\"status\":\"ok\"").await).await;
    assert_eq!(probe("/healthz").await.unwrap().0, 200);

    let id = app.create_run(&training_spec()).await;
    app.wait_for_success(id).await;
    // the worker counts the attempt after it is recorded
    let metrics = wait_until("the counter", TIMEOUT, async || {
        let (_, metrics) = probe("/metrics").await?;
        metrics.contains("aprendiz_worker_attempts_total{kind=\"linear\",outcome=\"succeeded\"} 1").then_some(metrics)
    })
    .await;
    for line in [
        "aprendiz_worker_phase_seconds_count{phase=\"train\"} 1",
        "aprendiz_worker_slots 1",
        "aprendiz_worker_listening 1",
        "# HELP aprendiz_worker_attempts_total ",
        "# TYPE aprendiz_worker_phase_seconds histogram",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    // without Redis, the worker still finds runs by polling
    app.env.redis.stop();
    wait_until("a degraded worker", TIMEOUT, async || ready(200, "degraded").await).await;
    assert_eq!(probe("/healthz").await.unwrap().0, 200);
    app.env.redis.resume().await;
    wait_until("a connected worker", TIMEOUT, async || ready(200, "\"status\":\"ok\"").await).await;

    // a draining worker is healthy, but not ready
    let hold = Hold::at(&app, Point::Step(5));
    let held = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    worker.terminate();
    wait_until("a draining worker", TIMEOUT, async || ready(503, "no new runs are claimed").await).await;
    assert_eq!(probe("/healthz").await.unwrap().0, 200);
    drop(hold);
    assert!(worker.wait(TIMEOUT).await.success());
    expect_json(app.api().post(&format!("/v1/training-runs/{held}/cancel")), 200).await;
    drop(worker);
    app.finish().await;
}
