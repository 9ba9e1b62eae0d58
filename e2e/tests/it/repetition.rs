//! The same thing asked twice.

use serde_json::{Value, json};

use crate::export::contracts;
use crate::objects::sha256;
use crate::site::{Site, answered, bytes, id_of};

#[tokio::test]
async fn the_same_spec_again_reuses_the_snapshot_and_gives_the_same_weights() {
    let site = Site::with(contracts()).await;
    // two workers, the second with fewer threads: the bytes depend on neither
    let first_worker = site.env.worker("worker-1", &[("APRENDIZ_THREADS", "2")]);
    let spec = json!({ "model": "contracts", "seed": 7 });
    let first = site.create_run(&spec).await;
    let first_run = site.succeeded(first).await;
    drop(first_worker);
    let worker = site.env.worker("worker-2", &[("APRENDIZ_THREADS", "1")]);
    let second = site.create_run(&spec).await;
    let second_run = site.succeeded(second).await;

    assert_eq!(second_run["dataset_id"], first_run["dataset_id"]);
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!((&first_run["model_version"], &second_run["model_version"]), (&json!(1), &json!(2)));
    let weights = async |run| sha256(&bytes(&site.api(), &format!("/v1/training-runs/{run}/model?file=model.safetensors")).await);
    assert_eq!(weights(first).await, weights(second).await);
    let numbers = async |run| -> Vec<(Option<String>, String, String, Option<f64>)> {
        let sql = "SELECT field, split, name, value FROM metrics WHERE run_id = $1 ORDER BY id";
        sqlx::query_as(sql).bind(run).fetch_all(site.pool()).await.unwrap()
    };
    assert_eq!(numbers(first).await, numbers(second).await);

    // another seed makes other folds
    let third = site.create_run(&json!({ "model": "contracts", "seed": 8 })).await;
    assert_eq!(site.succeeded(third).await["dataset_id"], first_run["dataset_id"]);
    let config = async |run| bytes(&site.api(), &format!("/v1/training-runs/{run}/model?file=metrics.json")).await;
    assert_ne!(config(first).await, config(third).await);
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn an_idempotency_key_makes_one_run_and_refuses_another_body() {
    let site = Site::with(contracts()).await;
    let post = |spec: Value| site.api().post("/v1/training-runs").header("idempotency-key", "nightly-1").json(&spec);
    let spec = json!({ "model": "contracts", "kind": "evaluate" });
    // at the same moment, as a client does that lost its patience
    let (first, second) = tokio::join!(answered(post(spec.clone()), 202), answered(post(spec.clone()), 202));
    assert_eq!(first["id"], second["id"]);
    let problem = answered(post(json!({ "model": "others", "kind": "evaluate" })), 422).await;
    assert_eq!(problem["code"], "idempotency_mismatch", "{problem}");
    assert_eq!(site.count("SELECT count(*) FROM training_runs").await, 1);

    let worker = site.env.worker("worker", &[]);
    site.succeeded(id_of(&first)).await;
    // also after it has ended
    assert_eq!(answered(post(spec), 202).await["id"], first["id"]);
    drop(worker);
    site.finish().await;
}
