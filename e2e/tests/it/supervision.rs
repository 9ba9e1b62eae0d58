//! The worker as operators see it: its child, its end, its probes, its orders.

use std::time::{Duration, Instant};

use serde_json::json;
use test_support::{Process, wait_until};
use uuid::Uuid;

use crate::child::{Child, long};
use crate::export::many_contracts;
use crate::site::{PATIENCE, Site, answered};

const DOCUMENTS: u64 = 250;

async fn training(site: &Site, variables: &[(&str, &str)]) -> (Uuid, Process) {
    let worker = site.env.worker("worker-1", variables);
    let id = site.create_run(&long()).await;
    site.trains(id).await;
    (id, worker)
}

async fn worker_id(site: &Site) -> Uuid {
    sqlx::query_scalar("SELECT id FROM workers ORDER BY started_at DESC LIMIT 1").fetch_one(site.pool()).await.unwrap()
}

#[tokio::test]
async fn a_child_that_falls_silent_is_killed_and_its_training_goes_on() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, worker) = training(&site, &[("APRENDIZ_CHILD_SILENCE_SECONDS", "2"), ("APRENDIZ_CHECKPOINT_SECONDS", "0.3")]).await;
    let child = Child::of(&worker);
    child.freeze();
    wait_until("the retry", PATIENCE, async || (site.run(id).await["status"] == "retrying").then_some(())).await;
    let run = site.run(id).await;
    assert_eq!(run["error_code"], "child_silent", "{run}");
    child.is_gone().await;
    sqlx::raw_sql("UPDATE training_runs SET run_after = clock_timestamp()").execute(site.pool()).await.unwrap();
    sqlx::raw_sql("UPDATE outbox SET due_at = clock_timestamp()").execute(site.pool()).await.unwrap();
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["failed", "succeeded"]);
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, mut worker) = training(&site, &[("APRENDIZ_GRACE_SECONDS", "3600"), ("APRENDIZ_LEASE_SECONDS", "2")]).await;
    let child = Child::of(&worker);
    child.freeze();
    worker.terminate();
    wait_until("the first signal", PATIENCE, async || worker.log().contains("a second signal ends at once").then_some(())).await;
    assert!(worker.is_running());
    let asked = Instant::now();
    worker.terminate();
    assert_eq!(worker.wait(PATIENCE).await.code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(2));
    child.is_gone().await;
    // nobody handed the run back: its lease expires
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["lost", "succeeded"]);
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_drained_worker_finishes_its_run_and_claims_no_other() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, mut worker) = training(&site, &[]).await;
    let child = Child::of(&worker);
    child.freeze();
    let drained = worker_id(&site).await;
    answered(site.api().post(&format!("/v1/workers/{drained}/drain")), 202).await;
    let waiting = site.create_run(&json!({ "model": "contracts", "kind": "evaluate" })).await;
    wait_until("the order to be heard", PATIENCE, async || worker.log().contains("draining, as an operator asked").then_some(())).await;
    child.thaw();
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
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let (id, mut worker) = training(&site, &[]).await;
    let child = Child::of(&worker);
    child.freeze();
    let drained = worker_id(&site).await;
    answered(site.api().post(&format!("/v1/workers/{drained}/drain")).json(&json!({ "hand_back": true })), 202).await;
    wait_until("the order to be heard", PATIENCE, async || worker.log().contains("draining, as an operator asked").then_some(())).await;
    child.thaw();
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
    let mut site = Site::with(many_contracts(DOCUMENTS)).await;
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
    let long = site.create_run(&long()).await;
    site.trains(long).await;
    let child = Child::of(&worker);
    child.freeze();
    worker.terminate();
    wait_until("a draining worker", PATIENCE, async || ready(503, "claims nothing any more").await).await;
    assert_eq!(probe("/healthz").await.unwrap().0, 200);
    child.thaw();
    assert!(worker.wait(PATIENCE).await.success());
    answered(site.api().post(&format!("/v1/training-runs/{long}/cancel")), 200).await;
    drop(worker);
    site.finish().await;
}
