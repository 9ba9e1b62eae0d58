//! A snapshot is built once, however many runs ask for it at once.

use serde_json::{Value, json};
use test_support::{Process, wait_until};
use uuid::Uuid;

use crate::export::many_contracts;
use crate::gate::{Gate, Place};
use crate::site::{PATIENCE, Site, text};

fn spec(min_support: u64) -> Value {
    json!({ "model": "contracts", "data": { "min_support": min_support } })
}

/// Waits until the run has given its slot back.
async fn waits_for_snapshot(site: &Site, id: Uuid) {
    wait_until("a run that waits for a snapshot", PATIENCE, async || {
        let sql = "SELECT status = 'queued' AND awaited_dataset_key IS NOT NULL FROM training_runs WHERE id = $1";
        let waits: bool = sqlx::query_scalar(sql).bind(id).fetch_one(site.pool()).await.unwrap();
        waits.then_some(())
    })
    .await;
}

/// A run whose worker is held while it records the snapshot, with that worker.
async fn builder(site: &Site, gate: &mut Gate) -> (Uuid, Process) {
    let worker = site.env.worker("worker-1", &[]);
    let id = site.create_run(&spec(2)).await;
    gate.reached().await;
    (id, worker)
}

#[tokio::test]
async fn runs_that_need_a_snapshot_under_way_wait_for_it_without_a_slot() {
    let site = Site::with(many_contracts(60)).await;
    let mut gate = Gate::close(&site, Place::Dataset).await;
    let (builder, first) = builder(&site, &mut gate).await;
    let second = site.env.worker("worker-2", &[]);
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let id = site.create_run(&spec(2)).await;
        waits_for_snapshot(&site, id).await;
        waiting.push(id);
    }
    let explanation = site.api().json(&format!("/v1/training-runs/{}/explain", waiting[0])).await;
    assert_eq!(text(&explanation["summary"]), format!("waiting: run {builder} is building the dataset snapshot that both need"));
    gate.open().await;
    for id in &waiting {
        site.succeeded(*id).await;
        assert_eq!(site.attempts(*id).await, ["released", "succeeded"]);
    }
    site.succeeded(builder).await;
    assert_eq!(site.attempts(builder).await, ["succeeded"]);
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE key LIKE 'datasets/%' AND state <> 'live'").await, 0, "built once");
    assert_eq!(site.count("SELECT max(attempts_used)::bigint FROM training_runs").await, 1, "waiting costs no attempt");
    assert_eq!(site.count("SELECT count(*) FROM dataset_builds").await, 0);
    drop((first, second));
    site.finish().await;
}

#[tokio::test]
async fn a_snapshot_whose_builder_died_is_built_by_the_next() {
    let site = Site::with(many_contracts(60)).await;
    let mut gate = Gate::close(&site, Place::Dataset).await;
    let (dead, mut first) = builder(&site, &mut gate).await;
    let second = site.env.worker("worker-2", &[]);
    let waiting = site.create_run(&spec(2)).await;
    waits_for_snapshot(&site, waiting).await;
    first.kill();
    first.wait(PATIENCE).await;
    gate.open().await;
    site.expire_lease(dead).await;
    site.succeeded(waiting).await;
    site.succeeded(dead).await;
    assert_eq!(site.attempts(dead).await[0], "lost");
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(site.count("SELECT count(*) FROM dataset_builds").await, 0);
    drop((first, second));
    site.finish().await;
}

#[tokio::test]
async fn runs_that_wait_for_a_cancelled_builder_do_not_wait_on() {
    let site = Site::with(many_contracts(60)).await;
    let mut gate = Gate::close(&site, Place::Snapshot).await;
    let (builder, first) = builder(&site, &mut gate).await;
    let second = site.env.worker("worker-2", &[]);
    let waiting = site.create_run(&spec(2)).await;
    waits_for_snapshot(&site, waiting).await;
    site.cli(&["run", "cancel", &builder.to_string()]);
    assert_eq!(site.ended(builder).await["status"], "cancelled");
    gate.open().await;
    site.succeeded(waiting).await;
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 1);
    assert_eq!(site.count("SELECT count(*) FROM dataset_builds").await, 0);
    drop((first, second));
    site.finish().await;
}
