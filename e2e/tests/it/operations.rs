//! What operators ask, by the command line: workers, the queue, why a run waits, many runs again, a run with changes.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::export::contracts;
use crate::site::{Site, answered, id_of, text};

async fn execute(site: &Site, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(site.pool()).await.unwrap();
}

/// A worker that only its row knows.
async fn absent_worker(site: &Site, host: &str) -> Uuid {
    sqlx::query_scalar("INSERT INTO workers (id, host, version, slots, backend, cpu_kernel) VALUES (gen_random_uuid(), $1, '0', 1, 'flex', 'avx2') RETURNING id")
        .bind(host)
        .fetch_one(site.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_run_is_explained_from_its_wait_to_its_success_and_cloned() {
    let site = Site::with(contracts()).await;
    let id = site.create_run(&json!({ "model": "contracts", "data": { "fields": ["contract_type"] } })).await.to_string();
    let waiting = site.cli(&["run", "explain", &id]);
    assert_eq!((&waiting["status"], &waiting["summary"]), (&json!("queued"), &json!("no worker is alive")), "{waiting}");
    assert!(text(&waiting["next_steps"][0]).contains("start a worker"), "{waiting}");
    let worker = site.env.worker("worker", &[]);
    site.succeeded(id.parse().unwrap()).await;
    let succeeded = site.cli(&["run", "explain", &id]);
    assert!(text(&succeeded["summary"]).ends_with("and published contracts version 1"), "{succeeded}");
    assert!(succeeded["facts"].to_string().contains("on the test split, over all fields: "), "{succeeded}");

    let workers = site.cli(&["worker", "list"]);
    assert_eq!((&workers[0]["state"], workers.as_array().unwrap().len()), (&json!("idle"), 1), "{workers}");
    let queue = site.cli(&["queue", "stats"]);
    assert_eq!(
        (&queue["runs"]["succeeded"], &queue["redis"]["reachable"], &queue["workers"]["alive"]),
        (&json!(1), &json!(true), &json!(1))
    );
    assert_eq!(queue["attempts_last_hour"]["succeeded"], 1, "{queue}");

    // the same data although more has come: the snapshot is found again
    execute(
        &site,
        "INSERT INTO document_texts (document_id, version, text, sha256, position)
        SELECT document_id, version + 1, 'new', sha256, next_position() FROM document_texts LIMIT 1",
    )
    .await;
    let clone = site.cli(&["run", "clone", &id, "--set", "params.l2=0.5", "--set", "seed=7", "--watch"]);
    let origin = site.run(id.parse().unwrap()).await;
    assert_eq!((&clone["position"], &clone["dataset_id"]), (&origin["position"], &origin["dataset_id"]), "{clone}");
    assert_eq!((&clone["spec"]["params"]["l2"], &clone["spec"]["seed"], &clone["model_version"]), (&json!(0.5), &json!(7), &json!(2)));
    let fresh = site.cli(&["run", "clone", &id, "--fresh-data"]);
    assert!(fresh["position"].as_i64() > origin["position"].as_i64(), "{fresh}");
    site.ended(id_of(&fresh)).await;

    let problem = answered(site.api().post(&format!("/v1/training-runs/{id}/clone")).json(&json!({ "changes": { "sede": 1 } })), 422).await;
    assert!(problem["code"] == "invalid_body" && text(&problem["detail"]).contains("sede"), "{problem}");
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn many_runs_are_retried_by_a_filter_and_in_batches() {
    let site = Site::start().await;
    let first = site.create_run(&json!({ "model": "m" })).await;
    execute(&site, &format!(
        "INSERT INTO training_runs (id, kind, model, spec, position, status, error_code, error_text, created_by, finished_at, cancel_requested_at)
         SELECT gen_random_uuid(), kind, model, spec, position, 'failed', CASE WHEN n <= 1500 THEN 'object_store' ELSE 'io' END, 'x', 'ana', now(), NULL
         FROM training_runs, generate_series(1, 1510) n WHERE id = '{first}'"
    ))
    .await;
    let filter = ["run", "retry", "--status", "failed", "--since", "1h", "--code", "object_store"];
    let dry = site.cli(&[&filter[..], &["--dry-run"]].concat());
    assert_eq!((&dry["matched"], dry["retried"].as_array().unwrap().len()), (&json!(1500), 0));
    let retried = site.cli(&filter);
    assert_eq!((&retried["matched"], retried["retried"].as_array().unwrap().len()), (&json!(1500), 1500));
    assert_eq!(site.count("SELECT count(*) FROM training_runs WHERE status = 'queued'").await, 1501);
    assert_eq!(site.count("SELECT count(*) FROM audit_log WHERE action = 'training_run.retry' AND actor = 'admin'").await, 1500);
    assert_eq!(site.count("SELECT count(*) FROM training_runs WHERE status = 'failed' AND error_code = 'io'").await, 10);

    // two by their ids, one of which waits already
    let failed: Uuid =
        sqlx::query_scalar("SELECT id FROM training_runs WHERE status = 'failed' LIMIT 1").fetch_one(site.pool()).await.unwrap();
    let output = site.env.cli(&site.server, &["run", "retry", &failed.to_string(), &first.to_string()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("run {failed} is queued")), "{output:?}");
    let problem = answered(site.api().post("/v1/training-runs/retry").json(&json!({ "status": "succeeded" })), 422).await;
    assert!(text(&problem["detail"]).contains("failed"), "{problem}");
    execute(
        &site,
        "UPDATE training_runs SET status = 'cancelled', cancel_requested_at = now(), finished_at = now() WHERE status = 'queued'",
    )
    .await;
    site.finish().await;
}

#[tokio::test]
async fn workers_are_drained_by_prefix_by_host_and_awaited() {
    let site = Site::start().await;
    let (alone, first, second) =
        (absent_worker(&site, "alone").await, absent_worker(&site, "pair").await, absent_worker(&site, "pair").await);
    let prefix = alone.to_string()[..13].to_owned();
    let drained = site.cli(&["worker", "drain", &prefix]);
    assert_eq!((&drained[0]["id"], &drained[0]["state"]), (&json!(alone), &json!("draining")), "{drained}");
    let drained = site.cli(&["worker", "drain", "pair", "--hand-back"]);
    let ids: Vec<Value> = drained.as_array().unwrap().iter().map(|worker| worker["id"].clone()).collect();
    assert!(ids.len() == 2 && ids.contains(&json!(first)) && ids.contains(&json!(second)), "{drained}");
    assert!(drained.as_array().unwrap().iter().all(|worker| worker["drain_hand_back"] == true), "{drained}");

    execute(&site, &format!("UPDATE workers SET stopped_at = now() WHERE id = '{alone}'")).await;
    let problem = answered(site.api().post(&format!("/v1/workers/{alone}/drain")), 409).await;
    assert_eq!(problem["code"], "worker_stopped");
    let problem = answered(site.api().post(&format!("/v1/workers/{}/drain", Uuid::nil())), 404).await;
    assert_eq!(problem["code"], "unknown_worker");
    answered(site.api().post(&format!("/v1/workers/{first}/drain")).json(&json!({ "handback": true })), 422).await;
    // one that falls silent instead of stopping is not waited for
    execute(&site, &format!("UPDATE workers SET heartbeat_at = now() - interval '5 min' WHERE id = '{first}'")).await;
    let output = site.env.cli(&site.server, &["worker", "drain", &first.to_string(), "--wait"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("has not sent a heartbeat since"), "{output:?}");
    site.finish().await;
}
