//! A snapshot whose files have disappeared from the bucket is built again, with the same canonical hash.

use aprendiz_test_support::wait_until;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::many_contracts;
use crate::fixture::{Gate, HeldStatement, TIMEOUT, TestApp, objects, text, training_spec};

/// Imports, and succeeds with one run on a snapshot; the workers have ended.
async fn app_with_snapshot() -> (TestApp, Uuid) {
    let app = TestApp::with_import(many_contracts(60)).await;
    let worker = app.env.worker("worker-0", &[]);
    let run = app.create_run(&training_spec()).await;
    app.wait_for_success(run).await;
    drop(worker);
    (app, run)
}

/// Deletes objects of the snapshot from the bucket, as a lifecycle rule does. Returns how many.
async fn lose_files(app: &TestApp, ending: &str) -> usize {
    let keys: Vec<String> = app.env.bucket.keys().await;
    let lost: Vec<&String> = keys.iter().filter(|key| key.starts_with("datasets/") && key.ends_with(ending)).collect();
    for key in &lost {
        app.env.bucket.client().delete_object().bucket(app.env.bucket.name()).key(key.as_str()).send().await.unwrap();
    }
    lost.len()
}

/// The log of a run about its snapshot.
async fn snapshot_events(app: &TestApp, run: Uuid) -> Vec<String> {
    let sql = "SELECT payload->>'text' FROM run_events WHERE run_id = $1 AND payload->>'text' LIKE 'dataset snapshot %' ORDER BY sequence";
    sqlx::query_scalar(sql).bind(run).fetch_all(app.pool()).await.unwrap()
}

async fn snapshot(app: &TestApp) -> Value {
    let row: String = sqlx::query_scalar("SELECT to_jsonb(d)::text FROM datasets d").fetch_one(app.pool()).await.unwrap();
    serde_json::from_str(&row).unwrap()
}

#[tokio::test]
async fn the_next_run_rebuilds_a_snapshot_without_files() {
    let (app, _) = app_with_snapshot().await;
    let before = snapshot(&app).await;
    assert!(lose_files(&app, "").await > 1);
    let worker = app.env.worker("worker-1", &[]);
    let run = app.create_run(&training_spec()).await;
    app.wait_for_success(run).await;
    assert_eq!(app.attempt_statuses(run).await, ["succeeded"]);
    let events = snapshot_events(&app, run).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("rebuilt with the same canonical hash: its object `datasets/"), "{events:?}");

    let after = snapshot(&app).await;
    for same in ["id", "key", "canonical_hash", "position", "examples", "counts", "files", "created_at"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(before["object_prefix"], after["object_prefix"]);
    objects::check(&app).await;
    let verified = app.cli(&["dataset", "verify", &text(&after["id"]), "--files"]);
    assert_eq!(verified["verdict"], "same", "{verified}");
    assert!(verified["files"].as_array().unwrap().iter().all(|file| file["state"] == "same"), "{verified}");

    let next = app.create_run(&training_spec()).await;
    app.wait_for_success(next).await;
    assert!(snapshot_events(&app, next).await[0].ends_with("reused"));
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_single_missing_file_is_noticed_even_if_the_run_does_not_read_it() {
    let (app, first) = app_with_snapshot().await;
    assert!(lose_files(&app, "README.md").await == 1);
    let worker = app.env.worker("worker-1", &[]);
    // a run that only builds the dataset downloads nothing
    let ingest = app.cli(&["ingest", "--training-run", &first.to_string()]);
    let run = Uuid::parse_str(&text(&ingest["id"])).unwrap();
    app.wait_for_success(run).await;
    assert!(snapshot_events(&app, run).await[0].contains("README.md` was missing"));
    objects::check(&app).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn runs_that_need_the_same_missing_files_rebuild_them_once() {
    let (app, _) = app_with_snapshot().await;
    lose_files(&app, "").await;
    let mut gate = Gate::close(&app, HeldStatement::Snapshot).await;
    let first = app.env.worker("worker-1", &[]);
    let builder = app.create_run(&training_spec()).await;
    gate.wait_until_reached().await;
    let second = app.env.worker("worker-2", &[]);
    let waiting = app.create_run(&training_spec()).await;
    wait_until("a run that awaits a snapshot", TIMEOUT, async || {
        let sql = "SELECT awaited_dataset_key IS NOT NULL FROM training_runs WHERE id = $1";
        let waits: bool = sqlx::query_scalar(sql).bind(waiting).fetch_one(app.pool()).await.unwrap();
        waits.then_some(())
    })
    .await;
    gate.open().await;
    app.wait_for_success(builder).await;
    app.wait_for_success(waiting).await;
    assert!(snapshot_events(&app, builder).await[0].contains("rebuilt"));
    assert!(snapshot_events(&app, waiting).await[0].ends_with("reused"));
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM dataset_builds").await, 0);
    drop((first, second));
    app.finish().await;
}

#[tokio::test]
async fn a_rebuilder_that_dies_is_replaced() {
    let (app, _) = app_with_snapshot().await;
    lose_files(&app, "").await;
    let mut gate = Gate::close(&app, HeldStatement::Snapshot).await;
    let mut first = app.env.worker("worker-1", &[]);
    let run = app.create_run(&training_spec()).await;
    gate.wait_until_reached().await;
    first.kill();
    first.wait(TIMEOUT).await;
    gate.open().await;
    app.expire_lease(run).await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(run).await;
    assert_eq!(app.attempt_statuses(run).await, ["lost", "succeeded"]);
    assert!(text(&snapshot(&app).await["object_prefix"]).ends_with("attempt-2"));
    objects::check(&app).await;
    drop((first, second));
    app.finish().await;
}

#[tokio::test]
async fn a_snapshot_that_the_events_do_not_yield_any_more_is_not_replaced() {
    let (app, _) = app_with_snapshot().await;
    lose_files(&app, "").await;
    // as if events had been changed outside Aprendiz
    app.execute(&format!("UPDATE datasets SET canonical_hash = '{}'", "0".repeat(64))).await;
    let before = snapshot(&app).await;
    let worker = app.env.worker("worker-1", &[]);
    let run = app.create_run(&json!({ "model": "contracts", "max_attempts": 3 })).await;
    let (code, error) = app.wait_for_failure(run).await;
    assert_eq!(code, "snapshot_changed");
    assert!(error.contains("aprendiz dataset verify") && error.contains(&"0".repeat(64)), "{error}");
    assert_eq!(app.attempt_statuses(run).await, ["failed"]);
    assert_eq!(snapshot(&app).await, before);
    assert_eq!(app.count("SELECT count(*) FROM dataset_builds").await, 0);
    drop(worker);
    app.finish().await;
}
