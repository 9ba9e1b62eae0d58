//! The worker as operators see it: its child, its end, its probes, its orders.

use aprendiz_test_gate::Point;
use serde_json::json;
use test_support::{Process, wait_until};
use uuid::Uuid;

use crate::export::contracts;
use crate::hold::Hold;
use crate::site::{PATIENCE, Site, answered};

/// A run whose training on `worker-1` is held in the middle.
async fn training(site: &Site, variables: &[(&str, &str)]) -> (Uuid, Process, Hold) {
    let hold = Hold::at(site, Point::Step(5));
    let worker = site.env.worker("worker-1", variables);
    let id = site.create_run(&json!({ "model": "contracts" })).await;
    hold.reached().await;
    (id, worker, hold)
}

async fn worker_id(site: &Site) -> Uuid {
    sqlx::query_scalar("SELECT id FROM workers ORDER BY started_at DESC LIMIT 1").fetch_one(site.pool()).await.unwrap()
}

#[tokio::test]
async fn a_child_that_falls_silent_is_killed_and_its_training_goes_on() {
    let site = Site::with(contracts()).await;
    let hold = Hold::at(&site, Point::Step(5));
    let mut worker = site.env.worker("worker-1", &[("APRENDIZ_CHILD_SILENCE_SECONDS", "1")]);
    let id = site.create_run(&json!({ "model": "contracts" })).await;
    // held, it says nothing; on a slow machine it may not even have come so far
    let run = site.retrying(id).await;
    assert_eq!(run["error_code"], "child_silent", "{run}");
    worker.kill();
    worker.wait(PATIENCE).await;
    drop(hold);
    let second = site.env.worker("worker-2", &[]);
    site.end_retry_delays().await;
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["failed", "succeeded"]);
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_child_that_keeps_reporting_is_not_silent() {
    let site = Site::with(contracts()).await;
    let (id, worker, hold) = training(&site, &[("APRENDIZ_CHILD_SILENCE_SECONDS", "20")]).await;
    hold.keep_reporting();
    let progress = "SELECT count(*) FROM run_events WHERE kind = 'metric'";
    let before = site.count(progress).await;
    wait_until("progress of a held training", PATIENCE, async || (site.count(progress).await > before + 3).then_some(())).await;
    drop(hold);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once() {
    let site = Site::with(contracts()).await;
    let (id, mut worker, hold) = training(&site, &[("APRENDIZ_GRACE_SECONDS", "3600")]).await;
    let child = hold.reached().await;
    worker.terminate();
    site.logged(&worker, "a second signal exits immediately").await;
    assert!(worker.is_running());
    worker.terminate();
    // its grace time would last an hour
    assert_eq!(worker.wait(PATIENCE).await.code(), Some(130));
    child.is_gone().await;
    drop(hold);
    // nobody handed the run back: its lease expires
    site.expire_lease(id).await;
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["lost", "succeeded"]);
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_drained_worker_finishes_its_run_and_claims_no_other() {
    let site = Site::with(contracts()).await;
    let (id, mut worker, hold) = training(&site, &[("APRENDIZ_GRACE_SECONDS", "3600")]).await;
    let drained = worker_id(&site).await;
    answered(site.api().post(&format!("/v1/workers/{drained}/drain")), 202).await;
    let waiting = site.create_run(&json!({ "model": "contracts", "kind": "evaluate" })).await;
    site.logged(&worker, "drain requested by an operator").await;
    drop(hold);
    assert!(worker.wait(PATIENCE).await.success());
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    assert_eq!(site.run(waiting).await["status"], "queued");
    assert_eq!(site.count("SELECT count(*) FROM workers WHERE stopped_at IS NULL").await, 0);

    let second = site.env.worker("worker-2", &[]);
    site.succeeded(waiting).await;
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_shall_hand_back_does_so_with_a_checkpoint() {
    let site = Site::with(contracts()).await;
    let (id, mut worker, hold) = training(&site, &[("APRENDIZ_GRACE_SECONDS", "3600")]).await;
    let drained = worker_id(&site).await;
    answered(site.api().post(&format!("/v1/workers/{drained}/drain")).json(&json!({ "hand_back": true })), 202).await;
    site.logged(&worker, "drain requested by an operator").await;
    drop(hold);
    assert!(worker.wait(PATIENCE).await.success());
    assert_eq!(site.attempts(id).await, ["released"]);
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    assert_eq!(site.count("SELECT count(*) FROM attempts WHERE resumed_from_step > 0").await, 1);
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn the_probes_of_a_worker_tell_what_it_can_do() {
    let mut site = Site::with(contracts()).await;
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut worker = site.env.worker("worker-1", &[("APRENDIZ_PROBE_LISTEN", &address), ("APRENDIZ_GRACE_SECONDS", "3600")]);
    let client = reqwest::Client::builder().build().unwrap();
    let probe = async |path: &str| {
        let answer = client.get(format!("http://{address}{path}")).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    };
    let ready = async |code: u16, word: &str| {
        let answer = probe("/readyz").await?;
        (answer.0 == code && answer.1.contains(word)).then_some(answer)
    };
    wait_until("a ready worker", PATIENCE, async || ready(200, "\"status\":\"ok\"").await).await;
    assert_eq!(probe("/healthz").await.unwrap().0, 200);

    let id = site.create_run(&json!({ "model": "contracts" })).await;
    site.succeeded(id).await;
    let (_, metrics) = probe("/metrics").await.unwrap();
    for line in [
        "aprendiz_worker_attempts_total{kind=\"linear\",outcome=\"succeeded\"} 1",
        "aprendiz_worker_phase_seconds_count{phase=\"train\"} 1",
        "aprendiz_worker_slots 1",
        "aprendiz_worker_listening 1",
        "# HELP aprendiz_worker_attempts_total ",
        "# TYPE aprendiz_worker_phase_seconds histogram",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    // without Redis it still finds runs by looking
    site.env.redis.stop();
    wait_until("a degraded worker", PATIENCE, async || ready(200, "degraded").await).await;
    assert_eq!(probe("/healthz").await.unwrap().0, 200);
    site.env.redis.resume().await;
    wait_until("a worker that listens again", PATIENCE, async || ready(200, "\"status\":\"ok\"").await).await;

    // a worker that drains is alive, but takes nothing on
    let hold = Hold::at(&site, Point::Step(5));
    let held = site.create_run(&json!({ "model": "contracts" })).await;
    hold.reached().await;
    worker.terminate();
    wait_until("a draining worker", PATIENCE, async || ready(503, "no new runs are claimed").await).await;
    assert_eq!(probe("/healthz").await.unwrap().0, 200);
    drop(hold);
    assert!(worker.wait(PATIENCE).await.success());
    answered(site.api().post(&format!("/v1/training-runs/{held}/cancel")), 200).await;
    drop(worker);
    site.finish().await;
}
