//! A snapshot is built once, even if several runs need it at the same time.

use aprendiz_test_support::{Process, wait_until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::many_contracts;
use crate::fixture::{Gate, HeldStatement, TIMEOUT, TestApp, text};

fn spec(min_support: u64) -> Value {
    json!({ "model": "contracts", "data": { "min_support": min_support } })
}

/// Waits until a run was released because it awaits a snapshot.
async fn wait_until_awaiting_snapshot(app: &TestApp, id: Uuid) {
    wait_until("a run that awaits a snapshot", TIMEOUT, async || {
        let sql = "SELECT status = 'queued' AND awaited_dataset_key IS NOT NULL FROM training_runs WHERE id = $1";
        let waits: bool = sqlx::query_scalar(sql).bind(id).fetch_one(app.pool()).await.unwrap();
        waits.then_some(())
    })
    .await;
}

/// Starts a run and its worker, which is held while it builds the snapshot.
async fn start_builder(app: &TestApp, gate: &mut Gate) -> (Uuid, Process) {
    let worker = app.env.worker("worker-1", &[]);
    let id = app.create_run(&spec(2)).await;
    gate.wait_until_reached().await;
    (id, worker)
}

#[tokio::test]
async fn runs_that_need_a_snapshot_in_progress_wait_without_a_slot() {
    let app = TestApp::with_import(many_contracts(60)).await;
    let mut gate = Gate::close(&app, HeldStatement::Dataset).await;
    let (builder, first) = start_builder(&app, &mut gate).await;
    let second = app.env.worker("worker-2", &[]);
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let id = app.create_run(&spec(2)).await;
        wait_until_awaiting_snapshot(&app, id).await;
        waiting.push(id);
    }
    let explanation = app.api().json(&format!("/v1/training-runs/{}/explain", waiting[0])).await;
    assert_eq!(text(&explanation["summary"]), format!("waiting: run {builder} is building the dataset snapshot that both need"));
    gate.open().await;
    for id in &waiting {
        app.wait_for_success(*id).await;
        assert_eq!(app.attempt_statuses(*id).await, ["released", "succeeded"]);
    }
    app.wait_for_success(builder).await;
    assert_eq!(app.attempt_statuses(builder).await, ["succeeded"]);
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE key LIKE 'datasets/%' AND state <> 'live'").await, 0, "built once");
    assert_eq!(app.count("SELECT max(attempts_used)::bigint FROM training_runs").await, 1, "waiting costs no attempt");
    assert_eq!(app.count("SELECT count(*) FROM dataset_builds").await, 0);
    drop((first, second));
    app.finish().await;
}

#[tokio::test]
async fn the_snapshot_of_a_killed_builder_is_built_by_the_next_run() {
    let app = TestApp::with_import(many_contracts(60)).await;
    let mut gate = Gate::close(&app, HeldStatement::Dataset).await;
    let (killed, mut first) = start_builder(&app, &mut gate).await;
    let second = app.env.worker("worker-2", &[]);
    let waiting = app.create_run(&spec(2)).await;
    wait_until_awaiting_snapshot(&app, waiting).await;
    first.kill();
    first.wait(TIMEOUT).await;
    gate.open().await;
    app.expire_lease(killed).await;
    app.wait_for_success(waiting).await;
    app.wait_for_success(killed).await;
    assert_eq!(app.attempt_statuses(killed).await[0], "lost");
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM dataset_builds").await, 0);
    drop((first, second));
    app.finish().await;
}

#[tokio::test]
async fn runs_that_await_a_cancelled_builder_continue() {
    let app = TestApp::with_import(many_contracts(60)).await;
    let mut gate = Gate::close(&app, HeldStatement::Snapshot).await;
    let (builder, first) = start_builder(&app, &mut gate).await;
    let second = app.env.worker("worker-2", &[]);
    let waiting = app.create_run(&spec(2)).await;
    wait_until_awaiting_snapshot(&app, waiting).await;
    app.cli(&["run", "cancel", &builder.to_string()]);
    assert_eq!(app.wait_for_end(builder).await["status"], "cancelled");
    gate.open().await;
    app.wait_for_success(waiting).await;
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM dataset_builds").await, 0);
    drop((first, second));
    app.finish().await;
}
