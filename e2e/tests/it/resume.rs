//! Checkpoints: a training that was cut off goes on where it stopped, on another worker, and nobody can tell it from the result.

use std::collections::BTreeMap;

use aprendiz_test_gate::Point;
use serde_json::{Value, json};
use test_support::wait_until;
use uuid::Uuid;

use crate::export::contracts;
use crate::hold::Hold;
use crate::objects;
use crate::site::{PATIENCE, Site, bytes, text};

/// A checkpoint after each step.
pub(crate) const EVERY_STEP: &[(&str, &str)] = &[("APRENDIZ_CHECKPOINT_SECONDS", "0")];
/// No checkpoint unless the worker is asked to stop.
const NO_CHECKPOINTS: &[(&str, &str)] = &[("APRENDIZ_CHECKPOINT_SECONDS", "86400")];

fn spec() -> Value {
    json!({ "model": "contracts" })
}

/// Steps at which this run has checkpoints, in the order in which they were kept.
async fn checkpoint_steps(site: &Site, id: Uuid) -> Vec<i64> {
    let sql = "SELECT (payload->>'step')::bigint FROM run_events WHERE run_id = $1 AND kind = 'checkpoint' ORDER BY sequence";
    sqlx::query_scalar(sql).bind(id).fetch_all(site.pool()).await.unwrap()
}

/// Waits until the checkpoint of this step is in the bucket. The training must be held there: a newer one would take its place.
pub(crate) async fn kept(site: &Site, id: Uuid, step: i64) {
    wait_until(&format!("the checkpoint of step {step}"), PATIENCE, async || {
        checkpoint_steps(site, id).await.contains(&step).then_some(())
    })
    .await;
}

/// Hash of each file that training wrote. What names the run or the attempt (the card) is left out.
pub(crate) async fn weights(site: &Site, id: Uuid) -> BTreeMap<String, String> {
    let files: Value =
        sqlx::query_scalar("SELECT files FROM model_versions WHERE run_id = $1").bind(id).fetch_one(site.pool()).await.unwrap();
    let files = files.as_array().unwrap().iter().map(|file| (text(&file["path"]), text(&file["sha256"])));
    files.filter(|(path, _)| path != "README.md").collect()
}

/// The step that each attempt continued from.
pub(crate) async fn resumed_from(site: &Site, id: Uuid) -> Vec<Option<i64>> {
    let sql = "SELECT resumed_from_step FROM attempts WHERE run_id = $1 ORDER BY number";
    sqlx::query_scalar(sql).bind(id).fetch_all(site.pool()).await.unwrap()
}

#[tokio::test]
async fn a_training_killed_twice_ends_with_the_bytes_of_an_undisturbed_one() {
    let site = Site::with(contracts()).await;
    let undisturbed = site.env.worker("undisturbed", NO_CHECKPOINTS);
    let plain = site.create_run(&spec()).await;
    site.succeeded(plain).await;
    assert!(checkpoint_steps(&site, plain).await.is_empty());
    drop(undisturbed);

    let id = site.create_run(&spec()).await;
    for step in [6, 15] {
        let hold = Hold::at(&site, Point::AfterCheckpoint(step));
        let mut worker = site.env.worker(&format!("worker-{step}"), EVERY_STEP);
        let child = hold.reached().await;
        kept(&site, id, step.cast_signed()).await;
        worker.kill();
        worker.wait(PATIENCE).await;
        child.is_gone().await;
        drop(hold);
        site.expire_lease(id).await;
    }
    let third = site.env.worker("worker-3", &[]);
    site.succeeded(id).await;

    assert_eq!(site.attempts(id).await, ["lost", "lost", "succeeded"]);
    assert_eq!(weights(&site, id).await, weights(&site, plain).await);
    let kept = checkpoint_steps(&site, id).await;
    assert!(kept.is_sorted(), "{kept:?}");
    // nothing is done twice that is in a checkpoint
    assert_eq!(resumed_from(&site, id).await, [None, Some(6), Some(15)]);
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT attempt_number FROM model_versions WHERE run_id = $1").bind(id).fetch_all(site.pool()).await.unwrap();
    assert_eq!(versions, [3]);
    objects::check(&site).await;
    drop(third);
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_saves_a_checkpoint_first() {
    let site = Site::with(contracts()).await;
    // by itself it would keep none
    let hold = Hold::at(&site, Point::Step(7));
    let mut worker = site.env.worker("worker-1", &[NO_CHECKPOINTS, &[("APRENDIZ_GRACE_SECONDS", "3600")]].concat());
    let id = site.create_run(&spec()).await;
    hold.reached().await;
    worker.terminate();
    site.logged(&worker, "a second signal exits immediately").await;
    drop(hold);
    let status = worker.wait(PATIENCE).await;
    assert!(status.success(), "{status}");
    assert_eq!(site.attempts(id).await, ["released"]);
    assert_eq!(site.run(id).await["attempts_used"], 0);
    let kept = checkpoint_steps(&site, id).await;
    assert_eq!(kept.len(), 1, "{kept:?}");

    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    assert_eq!(resumed_from(&site, id).await, [None, Some(kept[0])]);
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let site = Site::with(contracts()).await;
    let hold = Hold::at(&site, Point::AfterCheckpoint(3));
    let mut worker = site.env.worker("worker-1", EVERY_STEP);
    let id = site.create_run(&spec()).await;
    hold.reached().await;
    kept(&site, id, 3).await;
    hold.move_to(Point::AfterCheckpoint(4));
    let child = hold.reached().await;
    kept(&site, id, 4).await;
    worker.kill();
    worker.wait(PATIENCE).await;
    child.is_gone().await;
    drop(hold);
    let left: Vec<(i64, String)> = sqlx::query_as("SELECT step, object_key FROM checkpoints WHERE run_id = $1 ORDER BY step")
        .bind(id)
        .fetch_all(site.pool())
        .await
        .unwrap();
    // more are not kept
    let [(3, _), (4, newest)] = &left[..] else { panic!("{left:?}") };
    let bucket = &site.env.bucket;
    bucket.client().put_object().bucket(bucket.name()).key(newest).body(b"damaged".to_vec().into()).send().await.unwrap();

    site.expire_lease(id).await;
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    assert_eq!(resumed_from(&site, id).await, [None, Some(3)]);
    assert!(second.log().contains("checkpoint is unusable"), "{}", second.log());
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_bucket_that_takes_no_checkpoint_costs_a_warning_and_no_training() {
    let site = Site::with(contracts()).await;
    let proxy = test_support::FaultProxy::start(&site.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let hold = Hold::at(&site, Point::BeforeCheckpoint(5));
    let worker = site.env.worker("worker-1", &[EVERY_STEP, &[("AWS_ENDPOINT_URL_S3", &endpoint)]].concat());
    let id = site.create_run(&spec()).await;
    hold.reached().await;
    proxy.refuse();
    hold.move_to(Point::AfterCheckpoint(5));
    hold.reached().await;
    site.logged(&worker, "checkpoint upload failed").await;
    proxy.pass();
    drop(hold);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    // and the model itself can be asked
    assert!(!bytes(&site.api(), &format!("/v1/training-runs/{id}/model?file=model.safetensors")).await.is_empty());
    drop(worker);
    site.finish().await;
}
