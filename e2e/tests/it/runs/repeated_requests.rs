//! Repeated requests: the same spec, and the same idempotency key.

use serde_json::{Value, json};

use crate::fixture::exports::contracts;
use crate::fixture::objects::sha256;
use crate::fixture::{TestApp, expect_json, get_bytes, parse_id};

#[tokio::test]
async fn the_same_spec_reuses_the_snapshot_and_trains_the_same_weights() {
    let app = TestApp::with_import(contracts()).await;
    // the result depends neither on the worker nor on its number of threads
    let first_worker = app.env.worker("worker-1", &[("APRENDIZ_THREADS", "2")]);
    let spec = json!({ "model": "contracts", "seed": 7 });
    let first = app.create_run(&spec).await;
    let first_run = app.wait_for_success(first).await;
    drop(first_worker);
    let worker = app.env.worker("worker-2", &[("APRENDIZ_THREADS", "1")]);
    let second = app.create_run(&spec).await;
    let second_run = app.wait_for_success(second).await;

    assert_eq!(second_run["dataset_id"], first_run["dataset_id"]);
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!((&first_run["model_version"], &second_run["model_version"]), (&json!(1), &json!(2)));
    let weights = async |run| sha256(&get_bytes(&app.api(), &format!("/v1/training-runs/{run}/model?file=model.safetensors")).await);
    assert_eq!(weights(first).await, weights(second).await);
    let metrics = async |run| -> Vec<(Option<String>, String, String, Option<f64>)> {
        let sql = "SELECT field, split, name, value FROM metrics WHERE run_id = $1 ORDER BY id";
        sqlx::query_as(sql).bind(run).fetch_all(app.pool()).await.unwrap()
    };
    assert_eq!(metrics(first).await, metrics(second).await);

    // another seed assigns other folds
    let third = app.create_run(&json!({ "model": "contracts", "seed": 8 })).await;
    assert_eq!(app.wait_for_success(third).await["dataset_id"], first_run["dataset_id"]);
    let scores = async |run| get_bytes(&app.api(), &format!("/v1/training-runs/{run}/model?file=metrics.json")).await;
    assert_ne!(scores(first).await, scores(third).await);
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn an_idempotency_key_creates_one_run_and_rejects_another_body() {
    let app = TestApp::with_import(contracts()).await;
    let post = |spec: Value| app.api().post("/v1/training-runs").header("idempotency-key", "nightly-1").json(&spec);
    let spec = json!({ "model": "contracts", "kind": "evaluate" });
    // at the same time, as a client does that retries after a timeout
    let (first, second) = tokio::join!(expect_json(post(spec.clone()), 202), expect_json(post(spec.clone()), 202));
    assert_eq!(first["id"], second["id"]);
    let problem = expect_json(post(json!({ "model": "others", "kind": "evaluate" })), 422).await;
    assert_eq!(problem["code"], "idempotency_mismatch", "{problem}");
    assert_eq!(app.count("SELECT count(*) FROM training_runs").await, 1);

    let worker = app.env.worker("worker", &[]);
    app.wait_for_success(parse_id(&first)).await;
    // the key is also known after the run has ended
    assert_eq!(expect_json(post(spec), 202).await["id"], first["id"]);
    drop(worker);
    app.finish().await;
}
