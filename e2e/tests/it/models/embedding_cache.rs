//! The cache of base-model embeddings, on the host and in the bucket.

use std::fs;
use std::path::PathBuf;

use aprendiz_test_support::Process;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{TestApp, expect_json, objects, text};
use crate::models::tiny_encoder::{base_models, encoder_spec, quick_params, start_worker};

/// Trains on the same pairs with another learning rate. Returns the metrics of the base model.
async fn train(app: &TestApp, number: u32) -> Vec<Value> {
    let mut spec = encoder_spec(&quick_params());
    spec["params"]["learning_rate"] = json!(0.001 * f64::from(number));
    let id = app.create_run(&spec).await;
    app.wait_for_success(id).await;
    base_metrics(app, id).await
}

async fn base_metrics(app: &TestApp, id: Uuid) -> Vec<Value> {
    let run = app.api().json(&format!("/v1/training-runs/{id}/metrics")).await;
    let metrics = run["items"].as_array().expect("a run has metrics");
    let is_base = |metric: &&Value| metric["split"] == "test" && text(&metric["name"]).starts_with("base_");
    let base: Vec<Value> = metrics.iter().filter(is_base).map(|metric| json!([metric["field"], metric["name"], metric["value"]])).collect();
    assert!(base.len() > 4, "{run}");
    base
}

/// Numbers of cached and computed embeddings of each evaluation, from the log of a worker.
fn logged_counts(worker: &Process) -> Vec<(u64, u64)> {
    let log = worker.log();
    let lines = log.lines().filter(|line| line.contains("base-model embeddings embeddings.cached="));
    let number = |line: &str, name: &str| -> u64 {
        let (_, rest) = line.split_once(&format!("{name}=")).expect("the line has the number");
        rest.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
    };
    lines.map(|line| (number(line, "embeddings.cached"), number(line, "embeddings.computed"))).collect()
}

/// The cache files on this host.
fn local_files(app: &TestApp) -> Vec<PathBuf> {
    let folders = fs::read_dir(app.env.folder().join("embeddings")).expect("the folder is there");
    let files = folders.flat_map(|folder| fs::read_dir(folder.expect("a folder").path()).expect("a folder"));
    files.map(|file| file.expect("a file").path()).collect()
}

/// Keys of the cache files in the bucket.
async fn stored_keys(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar("SELECT object_key FROM embedding_files ORDER BY object_key").fetch_all(app.pool()).await.expect("rows")
}

#[tokio::test]
async fn cached_embeddings_are_not_computed_again() {
    let app = TestApp::with_import(contracts()).await;
    let folder = base_models(&app);
    let first = start_worker(&app, "worker-1", &folder, &[]);
    let base = train(&app, 1).await;
    assert_eq!(train(&app, 2).await, base);
    let [(0, all), (known, 0)] = logged_counts(&first)[..] else { panic!("{:?}", logged_counts(&first)) };
    assert!(all > 50 && known > 50, "{:?}", logged_counts(&first));
    let [key] = &stored_keys(&app).await[..] else { panic!("{:?}", stored_keys(&app).await) };
    objects::check(&app).await;
    drop(first);

    // another host starts without local files
    let elsewhere = app.env.folder().join("elsewhere");
    let second = start_worker(&app, "worker-2", &folder, &[("APRENDIZ_EMBEDDINGS", elsewhere.to_str().expect("a plain path"))]);
    assert_eq!(train(&app, 3).await, base);
    assert_eq!(logged_counts(&second), [(known, 0)]);
    drop(second);

    // a damaged local file is downloaded again; a damaged object is computed again
    let third = start_worker(&app, "worker-3", &folder, &[]);
    let [file] = &local_files(&app)[..] else { panic!("{:?}", local_files(&app)) };
    let mut bytes = fs::read(file).expect("the file can be read");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(file, &bytes).expect("the file can be written");
    assert_eq!(train(&app, 4).await, base);
    assert_eq!(logged_counts(&third), [(known, 0)]);
    app.put_object(key, &bytes).await;
    fs::remove_file(file).expect("the file can be removed");
    assert_eq!(train(&app, 5).await, base);
    assert_eq!(logged_counts(&third), [(known, 0), (0, all)]);
    assert!(third.log().contains("cannot download cached embeddings"), "{}", third.log());
    drop(third);
    app.finish().await;
}

#[tokio::test]
async fn a_cache_of_size_zero_stores_nothing() {
    let app = TestApp::with_import(contracts()).await;
    let worker = start_worker(&app, "worker", &base_models(&app), &[("APRENDIZ_EMBEDDINGS_MB", "0")]);
    train(&app, 1).await;
    assert_eq!((logged_counts(&worker), stored_keys(&app).await), (vec![], vec![]));
    assert!(!app.env.folder().join("embeddings").exists());
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn an_erasure_deletes_all_cached_embeddings() {
    let app = TestApp::with_import(contracts()).await;
    let worker = start_worker(&app, "worker", &base_models(&app), &[]);
    train(&app, 1).await;
    let before = stored_keys(&app).await;
    let document: Uuid = sqlx::query_scalar("SELECT document_id FROM document_splits WHERE split = 'test' ORDER BY document_id LIMIT 1")
        .fetch_one(app.pool())
        .await
        .expect("there are documents");
    expect_json(app.api().post(&format!("/v1/documents/{document}/erase")).json(&json!({ "reason": "request 7" })), 200).await;
    assert!(stored_keys(&app).await.is_empty());
    let state: String =
        sqlx::query_scalar("SELECT state::text FROM objects WHERE key = $1").bind(&before[0]).fetch_one(app.pool()).await.expect("a row");
    assert_eq!(state, "deleting");
    // the next run computes all embeddings and deletes the old local files
    let old = local_files(&app);
    train(&app, 2).await;
    let counts = logged_counts(&worker);
    assert_eq!((counts.len(), counts[1].0), (2, 0), "{counts:?}");
    assert!(old.iter().all(|file| !file.exists()));
    assert_ne!(stored_keys(&app).await, before);
    drop(worker);
    app.finish().await;
}
