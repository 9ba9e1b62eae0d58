//! Checkpoints: a training that was cut off goes on where it stopped, on another worker, and nobody can tell it from the result.

use std::collections::BTreeMap;

use serde_json::Value;
use test_support::{Process, wait_until};
use uuid::Uuid;

use crate::child::{Child, long};
use crate::export::many_contracts;
use crate::objects;
use crate::site::{PATIENCE, Site, bytes, text};

const DOCUMENTS: u64 = 400;
/// A lease that is soon over, and a checkpoint several times a second.
pub(crate) const EAGER: &[(&str, &str)] = &[("APRENDIZ_LEASE_SECONDS", "2"), ("APRENDIZ_CHECKPOINT_SECONDS", "0.2")];

/// Steps at which this run has checkpoints, in the order in which they were kept.
async fn checkpoint_steps(site: &Site, id: Uuid) -> Vec<i64> {
    let sql = "SELECT (payload->>'step')::bigint FROM run_events WHERE run_id = $1 AND kind = 'checkpoint' ORDER BY sequence";
    sqlx::query_scalar(sql).bind(id).fetch_all(site.pool()).await.unwrap()
}

/// Freezes the child once the run has so many checkpoints.
pub(crate) async fn frozen_after(site: &Site, worker: &Process, id: Uuid, checkpoints: usize) -> Child {
    wait_until("checkpoints", PATIENCE, async || {
        let run = site.run(id).await;
        assert!(run["finished_at"].is_null(), "the run ended before the test could act: {run}");
        (checkpoint_steps(site, id).await.len() >= checkpoints).then_some(())
    })
    .await;
    let child = Child::of(worker);
    child.freeze();
    child
}

/// Checkpoints in the scratch folders, oldest first.
fn local_checkpoints(site: &Site) -> Vec<String> {
    let runs = std::fs::read_dir(site.env.folder()).unwrap().flatten().map(|entry| entry.path().join("checkpoints"));
    let files = runs.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".safetensors")).collect();
    names.sort();
    names
}

/// Hash of each file that training wrote. What names the run or the attempt (the card) is left out.
pub(crate) async fn weights(site: &Site, id: Uuid) -> BTreeMap<String, String> {
    let files: Value =
        sqlx::query_scalar("SELECT files FROM model_versions WHERE run_id = $1").bind(id).fetch_one(site.pool()).await.unwrap();
    let files = files.as_array().unwrap().iter().map(|file| (text(&file["path"]), text(&file["sha256"])));
    files.filter(|(path, _)| path != "README.md").collect()
}

/// Where each attempt began and how far it is known to have come: the newest progress or checkpoint it told of.
async fn steps(site: &Site, id: Uuid) -> Vec<(Option<i64>, i64)> {
    let sql = "SELECT a.resumed_from_step, coalesce((SELECT max((e.payload->>'step')::bigint) FROM run_events e
            WHERE e.run_id = a.run_id AND e.attempt_number = a.number AND e.kind IN ('metric', 'checkpoint')), 0)
        FROM attempts a WHERE a.run_id = $1 ORDER BY a.number";
    sqlx::query_as(sql).bind(id).fetch_all(site.pool()).await.unwrap()
}

/// Every attempt but the first continued from a checkpoint of the run.
pub(crate) async fn check_resumed(site: &Site, id: Uuid) {
    let (kept, steps) = (checkpoint_steps(site, id).await, steps(site, id).await);
    assert_eq!(steps[0].0, None);
    for (resumed, _) in &steps[1..] {
        assert!(resumed.is_some_and(|step| step > 0 && kept.contains(&step)), "{steps:?} {kept:?}");
    }
}

#[tokio::test]
async fn a_training_killed_twice_ends_with_the_bytes_of_an_undisturbed_one() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let undisturbed = site.env.worker("undisturbed", &[("APRENDIZ_CHECKPOINT_SECONDS", "3600")]);
    let plain = site.create_run(&long()).await;
    site.succeeded(plain).await;
    assert!(checkpoint_steps(&site, plain).await.is_empty());
    drop(undisturbed);

    let id = site.create_run(&long()).await;
    for round in 1..=2 {
        let mut worker = site.env.worker(&format!("worker-{round}"), EAGER);
        let child = frozen_after(&site, &worker, id, round * 2).await;
        worker.kill();
        worker.wait(PATIENCE).await;
        child.is_gone().await;
    }
    let third = site.env.worker("worker-3", EAGER);
    site.succeeded(id).await;

    assert_eq!(site.attempts(id).await, ["lost", "lost", "succeeded"]);
    assert_eq!(weights(&site, id).await, weights(&site, plain).await);
    let kept = checkpoint_steps(&site, id).await;
    assert!(kept.is_sorted(), "{kept:?}");
    let steps = steps(&site, id).await;
    assert_eq!(steps[0].0, None);
    for (attempt, (resumed, _)) in steps.iter().enumerate().skip(1) {
        let resumed = resumed.unwrap_or_else(|| panic!("attempt {} began anew: {steps:?}", attempt + 1));
        assert!(resumed > 0 && kept.contains(&resumed), "{steps:?} {kept:?}");
    }
    // what was done twice is at most what lay between two checkpoints
    let longest = kept.windows(2).map(|pair| pair[1] - pair[0]).chain([kept[0]]).max().unwrap();
    for pair in steps.windows(2) {
        let (done, resumed) = (pair[0].1, pair[1].0.unwrap());
        assert!(done - resumed <= 2 * longest, "{done} steps done, continued from {resumed}, checkpoints {kept:?}");
    }
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT attempt_number FROM model_versions WHERE run_id = $1").bind(id).fetch_all(site.pool()).await.unwrap();
    assert_eq!(versions, [3]);
    objects::check(&site).await;
    drop(third);
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_saves_a_checkpoint_first() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    // by itself it would keep none
    let mut worker = site.env.worker("worker-1", &[("APRENDIZ_CHECKPOINT_SECONDS", "3600")]);
    let id = site.create_run(&long()).await;
    site.trains(id).await;
    let child = Child::of(&worker);
    child.freeze();
    worker.terminate();
    wait_until("the signal", PATIENCE, async || worker.log().contains("a second signal ends at once").then_some(())).await;
    child.thaw();
    let status = worker.wait(PATIENCE).await;
    assert!(status.success(), "{status}");
    assert_eq!(site.attempts(id).await, ["released"]);
    assert_eq!(site.run(id).await["attempts_used"], 0);
    let kept = checkpoint_steps(&site, id).await;
    assert_eq!(kept.len(), 1, "{kept:?}");

    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    let steps = steps(&site, id).await;
    assert_eq!(steps[1].0, Some(kept[0]), "{steps:?}");
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let mut worker = site.env.worker("worker-1", EAGER);
    let id = site.create_run(&long()).await;
    let child = frozen_after(&site, &worker, id, 3).await;
    worker.kill();
    worker.wait(PATIENCE).await;
    child.is_gone().await;
    let left: Vec<(i64, String)> = sqlx::query_as("SELECT step, object_key FROM checkpoints WHERE run_id = $1 ORDER BY step")
        .bind(id)
        .fetch_all(site.pool())
        .await
        .unwrap();
    // more are not kept
    let [(before, _), (_, newest)] = &left[..] else { panic!("{left:?}") };
    let bucket = &site.env.bucket;
    bucket.client().put_object().bucket(bucket.name()).key(newest).body(b"damaged".to_vec().into()).send().await.unwrap();

    let second = site.env.worker("worker-2", EAGER);
    site.succeeded(id).await;
    assert_eq!(steps(&site, id).await[1].0, Some(*before));
    assert!(second.log().contains("a checkpoint is unusable"), "{}", second.log());
    drop((worker, second));
    site.finish().await;
}

#[tokio::test]
async fn a_bucket_that_takes_no_checkpoint_costs_a_warning_and_no_training() {
    let site = Site::with(many_contracts(DOCUMENTS)).await;
    let proxy = test_support::FaultProxy::start(&site.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let worker = site.env.worker("worker-1", &[("AWS_ENDPOINT_URL_S3", &endpoint), ("APRENDIZ_CHECKPOINT_SECONDS", "0.2")]);
    let id = site.create_run(&long()).await;
    site.trains(id).await;
    proxy.refuse();
    let before = local_checkpoints(&site);
    wait_until("a newer checkpoint", PATIENCE, async || (local_checkpoints(&site) > before).then_some(())).await;
    let child = Child::of(&worker);
    child.freeze();
    wait_until("the warning", PATIENCE, async || worker.log().contains("a checkpoint could not be kept").then_some(())).await;
    proxy.pass();
    child.thaw();
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    // and the model itself can be asked
    assert!(!bytes(&site.api(), &format!("/v1/training-runs/{id}/model?file=model.safetensors")).await.is_empty());
    drop(worker);
    site.finish().await;
}
