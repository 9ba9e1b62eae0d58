//! Operations on the command line: explain, clone and retry runs, list and drain workers, queue statistics.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{TestApp, expect_json, parse_id, text};

/// Inserts a worker without a process.
async fn insert_worker(app: &TestApp, host: &str) -> Uuid {
    sqlx::query_scalar("INSERT INTO workers (id, host, version, slots, backend, cpu_kernel) VALUES (gen_random_uuid(), $1, '0', 1, 'flex', 'avx2') RETURNING id")
        .bind(host)
        .fetch_one(app.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_run_is_explained_while_it_waits_and_after_success_and_cloned() {
    let app = TestApp::with_import(contracts()).await;
    let id = app.create_run(&json!({ "model": "contracts", "data": { "fields": ["contract_type"] } })).await.to_string();
    let waiting = app.cli(&["run", "explain", &id]);
    assert_eq!((&waiting["status"], &waiting["summary"]), (&json!("queued"), &json!("no worker is alive")), "{waiting}");
    assert!(text(&waiting["next_steps"][0]).contains("start a worker"), "{waiting}");
    let listing = json!({ "command": "aprendiz worker list --all", "request": "GET /v1/workers?all=true" });
    assert!(waiting["requests"].as_array().is_some_and(|requests| requests.contains(&listing)), "{waiting}");
    let worker = app.env.worker("worker", &[]);
    app.wait_for_success(id.parse().unwrap()).await;
    let succeeded = app.cli(&["run", "explain", &id]);
    assert!(text(&succeeded["summary"]).ends_with("and published contracts version 1"), "{succeeded}");
    assert!(succeeded["facts"].to_string().contains("on the test split, over all fields: "), "{succeeded}");

    let workers = app.cli(&["worker", "list"]);
    assert_eq!((&workers[0]["state"], workers.as_array().unwrap().len()), (&json!("idle"), 1), "{workers}");
    let queue = app.cli(&["queue", "stats"]);
    assert_eq!(
        (&queue["runs"]["succeeded"], &queue["redis"]["reachable"], &queue["workers"]["alive"]),
        (&json!(1), &json!(true), &json!(1))
    );
    assert_eq!(queue["attempts_last_hour"]["succeeded"], 1, "{queue}");

    // a clone uses the same data, although there is newer data now: the snapshot is reused
    app.execute(
        "INSERT INTO document_texts (document_id, version, text, sha256, position)
        SELECT document_id, version + 1, 'new', sha256, next_position() FROM document_texts LIMIT 1",
    )
    .await;
    let clone = app.cli(&["run", "clone", &id, "--set", "params.l2=0.5", "--set", "seed=7", "--watch"]);
    let origin = app.run(id.parse().unwrap()).await;
    assert_eq!((&clone["position"], &clone["dataset_id"]), (&origin["position"], &origin["dataset_id"]), "{clone}");
    assert_eq!((&clone["spec"]["params"]["l2"], &clone["spec"]["seed"], &clone["model_version"]), (&json!(0.5), &json!(7), &json!(2)));
    let current = app.cli(&["run", "clone", &id, "--fresh-data"]);
    assert!(current["position"].as_i64() > origin["position"].as_i64(), "{current}");
    app.wait_for_end(parse_id(&current)).await;

    let problem =
        expect_json(app.api().post(&format!("/v1/training-runs/{id}/clone")).json(&json!({ "changes": { "sede": 1 } })), 422).await;
    assert!(problem["code"] == "invalid_body" && text(&problem["detail"]).contains("sede"), "{problem}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn many_runs_are_retried_by_filter_in_batches() {
    let app = TestApp::start().await;
    let first = app.create_run(&json!({ "model": "m" })).await;
    app.execute(&format!(
        "INSERT INTO training_runs (id, kind, model, spec, position, status, error_code, error_text, created_by, finished_at, cancel_requested_at)
         SELECT gen_random_uuid(), kind, model, spec, position, 'failed', CASE WHEN n <= 1500 THEN 'object_store' ELSE 'io' END, 'x', 'ana', now(), NULL
         FROM training_runs, generate_series(1, 1510) n WHERE id = '{first}'"
    ))
    .await;
    let filter = ["run", "retry", "--status", "failed", "--since", "1h", "--code", "object_store"];
    let dry_run = app.cli(&[&filter[..], &["--dry-run"]].concat());
    assert_eq!((&dry_run["matched"], dry_run["retried"].as_array().unwrap().len()), (&json!(1500), 0));
    let retried = app.cli(&filter);
    assert_eq!((&retried["matched"], retried["retried"].as_array().unwrap().len()), (&json!(1500), 1500));
    assert_eq!(app.count("SELECT count(*) FROM training_runs WHERE status = 'queued'").await, 1501);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'training_run.retry' AND actor = 'admin'").await, 1500);
    assert_eq!(app.count("SELECT count(*) FROM training_runs WHERE status = 'failed' AND error_code = 'io'").await, 10);

    // two by their IDs, one of which is queued already
    let failed: Uuid =
        sqlx::query_scalar("SELECT id FROM training_runs WHERE status = 'failed' LIMIT 1").fetch_one(app.pool()).await.unwrap();
    let output = app.env.cli(&app.server, &["run", "retry", &failed.to_string(), &first.to_string()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("run {failed} is queued")), "{output:?}");
    let problem = expect_json(app.api().post("/v1/training-runs/retry").json(&json!({ "status": "succeeded" })), 422).await;
    assert!(text(&problem["detail"]).contains("failed"), "{problem}");
    app.execute("UPDATE training_runs SET status = 'cancelled', cancel_requested_at = now(), finished_at = now() WHERE status = 'queued'")
        .await;
    app.finish().await;
}

#[tokio::test]
async fn workers_are_drained_by_prefix_and_by_host_and_awaited() {
    let app = TestApp::start().await;
    let (alone, first, second) = (insert_worker(&app, "alone").await, insert_worker(&app, "pair").await, insert_worker(&app, "pair").await);
    let prefix = alone.to_string()[..13].to_owned();
    let drained = app.cli(&["worker", "drain", &prefix]);
    assert_eq!((&drained[0]["id"], &drained[0]["state"]), (&json!(alone), &json!("draining")), "{drained}");
    let drained = app.cli(&["worker", "drain", "pair", "--release-runs"]);
    let ids: Vec<Value> = drained.as_array().unwrap().iter().map(|worker| worker["id"].clone()).collect();
    assert!(ids.len() == 2 && ids.contains(&json!(first)) && ids.contains(&json!(second)), "{drained}");
    assert!(drained.as_array().unwrap().iter().all(|worker| worker["drain_release_runs"] == true), "{drained}");

    app.execute(&format!("UPDATE workers SET stopped_at = now() WHERE id = '{alone}'")).await;
    let problem = expect_json(app.api().post(&format!("/v1/workers/{alone}/drain")), 409).await;
    assert_eq!(problem["code"], "worker_stopped");
    let problem = expect_json(app.api().post(&format!("/v1/workers/{}/drain", Uuid::nil())), 404).await;
    assert_eq!(problem["code"], "unknown_worker");
    expect_json(app.api().post(&format!("/v1/workers/{first}/drain")).json(&json!({ "handback": true })), 422).await;
    // `--wait` fails for a worker that sends no heartbeats
    app.execute(&format!("UPDATE workers SET heartbeat_at = now() - interval '5 min' WHERE id = '{first}'")).await;
    let output = app.env.cli(&app.server, &["worker", "drain", &first.to_string(), "--wait"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("has not sent a heartbeat since"), "{output:?}");
    app.finish().await;
}
