//! What the base model has said of a text is kept, on the host and in the bucket, and not computed again.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use test_support::Process;
use uuid::Uuid;

use crate::encoders::{base_models, quick, spec, worker};
use crate::export::contracts;
use crate::objects;
use crate::site::{Site, answered, text};

/// Another training on the same pairs; what it says of the base model.
async fn train(site: &Site, number: u32) -> Vec<Value> {
    let mut spec = spec(&quick());
    spec["params"]["learning_rate"] = json!(0.001 * f64::from(number));
    let id = site.create_run(&spec).await;
    site.succeeded(id).await;
    base_figures(site, id).await
}

async fn base_figures(site: &Site, id: Uuid) -> Vec<Value> {
    let run = site.api().json(&format!("/v1/training-runs/{id}/metrics")).await;
    let metrics = run["items"].as_array().expect("a run has metrics");
    let is_base = |metric: &&Value| metric["split"] == "test" && text(&metric["name"]).starts_with("base_");
    let figures: Vec<Value> =
        metrics.iter().filter(is_base).map(|metric| json!([metric["field"], metric["name"], metric["value"]])).collect();
    assert!(figures.len() > 4, "{run}");
    figures
}

/// How many vectors were known and computed, evaluation by evaluation.
fn said(worker: &Process) -> Vec<(u64, u64)> {
    let log = worker.log();
    let lines = log.lines().filter(|line| line.contains("base-model embeddings embeddings.cached="));
    let number = |line: &str, name: &str| -> u64 {
        let (_, rest) = line.split_once(&format!("{name}=")).expect("the line has the number");
        rest.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
    };
    lines.map(|line| (number(line, "embeddings.cached"), number(line, "embeddings.computed"))).collect()
}

/// The files on this host.
fn local(site: &Site) -> Vec<PathBuf> {
    let folders = fs::read_dir(site.env.folder().join("embeddings")).expect("the folder is there");
    let files = folders.flat_map(|folder| fs::read_dir(folder.expect("a folder").path()).expect("a folder"));
    files.map(|file| file.expect("a file").path()).collect()
}

async fn kept(site: &Site) -> Vec<String> {
    sqlx::query_scalar("SELECT object_key FROM embedding_files ORDER BY object_key").fetch_all(site.pool()).await.expect("rows")
}

#[tokio::test]
async fn what_the_base_model_has_said_is_not_computed_again() {
    let site = Site::with(contracts()).await;
    let folder = base_models(&site);
    let first = worker(&site, "worker-1", &folder, &[]);
    let figures = train(&site, 1).await;
    assert_eq!(train(&site, 2).await, figures);
    let [(0, all), (known, 0)] = said(&first)[..] else { panic!("{:?}", said(&first)) };
    assert!(all > 50 && known > 50, "{:?}", said(&first));
    let [key] = &kept(&site).await[..] else { panic!("{:?}", kept(&site).await) };
    objects::check(&site).await;
    drop(first);

    // another host has nothing of its own
    let elsewhere = site.env.folder().join("elsewhere");
    let second = worker(&site, "worker-2", &folder, &[("APRENDIZ_EMBEDDINGS", elsewhere.to_str().expect("a plain path"))]);
    assert_eq!(train(&site, 3).await, figures);
    assert_eq!(said(&second), [(known, 0)]);
    drop(second);

    // what the disk gives back is looked at, and fetched again; what the bucket gives back too, and computed again
    let third = worker(&site, "worker-3", &folder, &[]);
    let [file] = &local(&site)[..] else { panic!("{:?}", local(&site)) };
    let mut bytes = fs::read(file).expect("the file can be read");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(file, &bytes).expect("the file can be written");
    assert_eq!(train(&site, 4).await, figures);
    assert_eq!(said(&third), [(known, 0)]);
    let bucket = &site.env.bucket;
    bucket.client().put_object().bucket(bucket.name()).key(key).body(bytes.into()).send().await.expect("the bucket takes it");
    fs::remove_file(file).expect("the file can be removed");
    assert_eq!(train(&site, 5).await, figures);
    assert_eq!(said(&third), [(known, 0), (0, all)]);
    assert!(third.log().contains("cannot download cached embeddings"), "{}", third.log());
    drop(third);
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_shall_keep_no_vectors_keeps_none() {
    let site = Site::with(contracts()).await;
    let worker = worker(&site, "worker", &base_models(&site), &[("APRENDIZ_EMBEDDINGS_MB", "0")]);
    train(&site, 1).await;
    assert_eq!((said(&worker), kept(&site).await), (vec![], vec![]));
    assert!(!site.env.folder().join("embeddings").exists());
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn when_a_document_is_erased_all_vectors_go() {
    let site = Site::with(contracts()).await;
    let worker = worker(&site, "worker", &base_models(&site), &[]);
    train(&site, 1).await;
    let before = kept(&site).await;
    let document: Uuid = sqlx::query_scalar("SELECT document_id FROM document_splits WHERE split = 'test' ORDER BY document_id LIMIT 1")
        .fetch_one(site.pool())
        .await
        .expect("there are documents");
    answered(site.api().post(&format!("/v1/documents/{document}/erase")).json(&json!({ "reason": "request 7" })), 200).await;
    assert!(kept(&site).await.is_empty());
    let state: String =
        sqlx::query_scalar("SELECT state::text FROM objects WHERE key = $1").bind(&before[0]).fetch_one(site.pool()).await.expect("a row");
    assert_eq!(state, "deleting");
    // the next run begins anew, and leaves nothing of before on this host
    let old = local(&site);
    train(&site, 2).await;
    let said = said(&worker);
    assert_eq!((said.len(), said[1].0), (2, 0), "{said:?}");
    assert!(old.iter().all(|file| !file.exists()));
    assert_ne!(kept(&site).await, before);
    drop(worker);
    site.finish().await;
}
