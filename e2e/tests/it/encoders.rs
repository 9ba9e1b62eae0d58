//! Sentence transformers: trained from base weights on this host or in the bucket, interrupted, published, and asked for vectors.
//!
//! On tiny encoders of random weights, and once on the real one where the machine has its weights.

use std::fs;
use std::path::{Path, PathBuf};

use aprendiz_test_gate::Point;
use serde_json::{Value, json};
use test_support::Process;
use uuid::Uuid;

use crate::export::contracts;
use crate::hold::Hold;
use crate::objects;
use crate::resume::{EVERY_STEP, kept, resumed_from, weights};
use crate::site::{PATIENCE, Site, answered, id_of, lines, text};

/// The folder of base models, with one called `tiny`.
pub(crate) fn base_models(site: &Site) -> PathBuf {
    let folder = site.env.folder().join("base-models");
    if !folder.exists() {
        encoder::write_random(&folder.join("tiny"), 3).expect("the folder can be written");
    }
    folder
}

/// A worker that looks for base models in one folder only.
pub(crate) fn worker(site: &Site, name: &str, folder: &Path, more: &[(&str, &str)]) -> Process {
    let folder = folder.display().to_string();
    let only = [("APRENDIZ_BASE_MODELS", folder.as_str()), ("HF_HOME", "/nonexistent"), ("HF_HUB_CACHE", "/nonexistent")];
    site.env.worker(name, &[&only, more].concat())
}

pub(crate) fn spec(params: &Value) -> Value {
    json!({
        "model": "contracts-encoder", "kind": "sentence-transformer", "base_model": "tiny", "params": params,
        "data": { "fields": ["contract_type", "managed_by"], "pairs": { "per_label": 6, "max_chars": 200 } },
    })
}

/// A training of about a second.
pub(crate) fn quick() -> Value {
    json!({ "epochs": 2, "learning_rate": 0.002, "evaluation_documents": 60 })
}

async fn card(site: &Site, number: i32) -> Value {
    site.api().json(&format!("/v1/models/contracts-encoder/versions/{number}")).await
}

/// What the run told of itself in words.
async fn told(site: &Site, id: Uuid) -> String {
    let sql =
        "SELECT coalesce(string_agg(payload->>'text', E'\n' ORDER BY sequence), '') FROM run_events WHERE run_id = $1 AND kind = 'log'";
    sqlx::query_scalar(sql).bind(id).fetch_one(site.pool()).await.expect("events can be read")
}

#[tokio::test]
async fn an_encoder_is_trained_measured_published_embeds_texts_and_is_started_from_again() {
    let site = Site::with(contracts()).await;
    let worker = worker(&site, "worker", &base_models(&site), &[]);
    let file = site.env.folder().join("spec.json");
    fs::write(&file, spec(&quick()).to_string()).expect("the folder can be written");
    let run = site.cli(&["run", "create", "--spec", file.to_str().expect("a plain path"), "--watch"]);
    assert_eq!((&run["status"], &run["model_version"]), (&json!("succeeded"), &json!(1)), "{run}");
    let id = id_of(&run);
    check_metrics(&run);

    let version = card(&site, 1).await;
    let (card, files) = (&version["card"], version["files"].to_string());
    assert!(card["kind"] == "sentence-transformer" && card["base_model"]["name"] == "tiny", "{card}");
    assert!(["better", "worse", "same"].contains(&card["verdict"].as_str().expect("a verdict")), "{card}");
    for file in ["model.safetensors", "tokenizer.json", "modules.json", "1_Pooling/config.json", "metrics.json", "test_pairs.jsonl"] {
        assert!(files.contains(&format!("\"{file}\"")), "{file}: {files}");
    }
    let words = told(&site, id).await;
    assert!(words.contains("starts from tiny, sha256 ") && words.matches("test split read once").count() == 1, "{words}");
    assert_eq!(site.run(id).await["spec"]["data"]["pairs"]["max_chars"], 200);
    objects::check(&site).await;

    check_vectors(&site);
    check_refusals(&site, id).await;
    check_starting_again(&site, id, &version).await;
    drop(worker);
    site.finish().await;
}

/// Every figure stands beside that of the base model.
fn check_metrics(run: &Value) {
    let metrics = run["metrics"].as_array().expect("run create --watch shows metrics");
    for field in [Value::Null, json!("contract_type"), json!("managed_by")] {
        let mut names = vec!["pairs", "average_precision", "base_average_precision", "spearman", "base_spearman"];
        if !field.is_null() {
            names.extend(["n", "knn_accuracy", "base_knn_accuracy", "majority_baseline"]);
        }
        for name in names {
            let found = metrics.iter().find(|metric| metric["split"] == "test" && metric["field"] == field && metric["name"] == name);
            assert!(found.is_some_and(|metric| metric["value"].is_f64()), "{field} {name}: {run}");
        }
    }
    assert!(metrics.iter().any(|metric| metric["split"] == "validation" && metric["name"] == "base_average_precision"), "{run}");
}

/// The published directory is whole, and its vectors are those of the library.
fn check_vectors(site: &Site) {
    let dir = site.env.folder().join("encoder");
    site.cli(&["model", "download", "contracts-encoder", "-d", dir.to_str().expect("a plain path")]);
    let input = site.env.folder().join("texts.jsonl");
    let texts = ["governed by the laws of texas", "", "fees are due within thirty days of the invoice"];
    let of_text = |(id, text): (usize, &&str)| format!("{}\n", json!({ "id": id, "text": text }));
    fs::write(&input, texts.iter().enumerate().map(of_text).collect::<String>()).expect("the folder can be written");
    let output =
        site.env.cli(&site.server, &["embed", "--model", "contracts-encoder", "--batch", "2", input.to_str().expect("a plain path")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = lines(&output.stdout);
    assert_eq!(found.len(), texts.len());
    let direct = site.env.command("aprendiz-worker").args(["embed", "--model"]).arg(&dir).arg("--batch=2").arg(&input).output();
    assert_eq!(direct.expect("the worker starts").stdout, output.stdout);
    for (id, line) in found.iter().enumerate() {
        let vector: Vec<f64> = serde_json::from_value(line["embedding"].clone()).expect("numbers");
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!(line["id"] == id && line["text"].is_null() && vector.len() == 32 && (length - 1.0).abs() < 1e-5, "{line}");
    }
    let plain = site.env.command("aprendiz-worker").args(["embed", "--plain", "--model"]).arg(&dir).arg("/nonexistent").output();
    assert!(!plain.expect("the worker starts").status.success());
}

/// An encoder answers nothing, and shares its name with no model that does.
async fn check_refusals(site: &Site, id: Uuid) {
    let asked = site.api().post("/v1/models/contracts-encoder/predict").json(&json!({ "text": "a" }));
    assert_eq!(answered(asked, 422).await["code"], "model_without_answers");
    for (spec, code) in [
        (json!({ "model": "contracts-encoder" }), "model_kind_differs"),
        (json!({ "model": "x", "kind": "sentence-transformer", "base_model": "models:/contracts-encoder/9" }), "unknown_base_model"),
        (json!({ "model": "x", "kind": "sentence-transformer", "params": { "l2": 1 } }), "bad_params"),
        (json!({ "model": "x", "kind": "sentence-transformer", "base_model": "../x" }), "invalid_spec"),
        (json!({ "model": "x", "data": { "pairs": {} } }), "invalid_spec"),
    ] {
        let problem = answered(site.api().post("/v1/training-runs").json(&spec), 422).await;
        assert_eq!(problem["code"], code, "{spec}: {problem}");
    }
    let again = site.api().post(&format!("/v1/training-runs/{id}/sentence-transformer")).json(&json!({ "epochs": 2 }));
    assert_eq!(answered(again, 422).await["code"], "invalid_body");
}

/// The plan's `train-st` on the data of the run, from the version that it published; and by the place of that.
async fn check_starting_again(site: &Site, id: Uuid, version: &Value) {
    let id = id.to_string();
    let started = ["train-st", "--training-run", &id, "--base-model", "models:/contracts-encoder/1", "--param", "epochs=1", "--wait"];
    let run = site.cli(&started);
    assert_eq!((&run["parent_run_id"], &run["model"]), (&json!(id), &json!("contracts-encoder")), "{run}");
    let second = card(site, 2).await;
    assert_eq!(second["card"]["base_model"]["version"], json!({ "model": "contracts-encoder", "number": 1 }), "{second}");
    assert_eq!(second["dataset_id"], version["dataset_id"], "it read the same");

    let place = format!("s3://{}/{}", site.env.bucket.name(), text(&version["object_prefix"]));
    let mut spec = spec(&json!({ "epochs": 1, "examples_per_class": 3 }));
    spec["base_model"] = json!(place);
    let run = site.create_run(&spec).await;
    site.succeeded(run).await;
    let third = card(site, 3).await;
    assert_eq!(third["card"]["base_model"]["sha256"], second["card"]["base_model"]["sha256"], "{third}");
}

#[tokio::test]
async fn an_encoder_whose_worker_is_killed_ends_with_the_bytes_of_an_undisturbed_one() {
    let site = Site::with(contracts()).await;
    let folder = base_models(&site);
    let spec = spec(&json!({ "epochs": 2, "patience": 0, "learning_rate": 0.002, "evaluation_documents": 20, "batch": 4 }));
    let undisturbed = worker(&site, "undisturbed", &folder, &[("APRENDIZ_CHECKPOINT_SECONDS", "86400")]);
    let plain = site.create_run(&spec).await;
    site.succeeded(plain).await;
    drop(undisturbed);

    let id = site.create_run(&spec).await;
    let hold = Hold::at(&site, Point::AfterCheckpoint(4));
    let mut first = worker(&site, "worker-1", &folder, EVERY_STEP);
    let child = hold.reached().await;
    kept(&site, id, 4).await;
    first.kill();
    first.wait(PATIENCE).await;
    child.is_gone().await;
    drop(hold);
    site.expire_lease(id).await;
    let second = worker(&site, "worker-2", &folder, &[]);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["lost", "succeeded"]);
    assert_eq!(resumed_from(&site, id).await, [None, Some(4)]);
    assert_eq!(weights(&site, id).await, weights(&site, plain).await);
    objects::check(&site).await;
    drop((first, second));
    site.finish().await;
}

#[tokio::test]
async fn a_base_model_that_is_not_there_or_not_allowed_fails_the_run_for_good_and_says_the_way_out() {
    let site = Site::with(contracts()).await;
    let folder = base_models(&site);
    let worker = worker(&site, "worker", &folder, &[]);
    let elsewhere = site.env.folder().join("elsewhere");
    encoder::write_random(&elsewhere, 3).expect("the folder can be written");
    let bucket = site.env.bucket.name();
    let cases = [
        ("all-MiniLM-L6-v2".to_owned(), "./dev weights"),
        ("someone/else".to_owned(), "hf download someone/else"),
        (elsewhere.display().to_string(), "APRENDIZ_BASE_MODELS"),
        (folder.join("missing").display().to_string(), "cannot be read"),
        ("s3://another-bucket/models/x".to_owned(), "another bucket"),
        (format!("s3://{bucket}/models/x/run-{}/attempt-1", Uuid::nil()), "models:/NAME/NUMBER"),
    ];
    for (name, words) in cases {
        let mut spec = spec(&quick());
        spec["base_model"] = json!(name);
        let id = site.create_run(&spec).await;
        let (code, reason) = site.failed(id).await;
        assert!(code == "unknown_base_model" && reason.contains(words), "{name}: {code}: {reason}");
        assert_eq!(site.attempts(id).await, ["failed"]);
    }
    // a directory among the base models may be named
    let mut spec = spec(&quick());
    spec["base_model"] = json!(folder.join("tiny"));
    let id = site.create_run(&spec).await;
    site.succeeded(id).await;
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 1);
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn the_evaluation_of_an_encoder_is_cancelled_at_once() {
    let site = Site::with(contracts()).await;
    let hold = Hold::at(&site, Point::Evaluation);
    let worker = worker(&site, "worker", &base_models(&site), &[]);
    let id = site.create_run(&spec(&quick())).await;
    let child = hold.reached().await;
    assert_eq!(site.run(id).await["phase"], "evaluate");
    answered(site.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    // the evaluation is held: nothing but its death can end the run
    assert_eq!(site.ended(id).await["status"], "cancelled");
    child.is_gone().await;
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 0);
    drop((worker, hold));
    site.finish().await;
}

#[tokio::test]
async fn the_real_encoder_is_trained_where_its_weights_are() {
    let Some(weights) = std::env::var_os("APRENDIZ_TEST_ENCODER").map(PathBuf::from) else {
        println!("SKIPPED: all-MiniLM-L6-v2 was not trained, APRENDIZ_TEST_ENCODER names no directory of it (./dev weights)");
        return;
    };
    let site = Site::with(contracts()).await;
    let worker = worker(&site, "worker", weights.parent().expect("a directory has a folder"), &[]);
    let spec = json!({
        "model": "contracts-encoder", "kind": "sentence-transformer", "params": { "max_length": 32, "evaluation_documents": 8 },
        "data": { "fields": ["contract_type"], "pairs": { "per_label": 2, "max_chars": 100 } },
    });
    let id = site.create_run(&spec).await;
    site.succeeded(id).await;
    assert_eq!(site.run(id).await["spec"]["base_model"], "all-MiniLM-L6-v2");
    let version = card(&site, 1).await;
    assert!(version["card"]["base_model"]["name"] == "all-MiniLM-L6-v2" && version["card"]["average_precision"].is_f64(), "{version}");
    println!("RAN: {}", text(&version["card"]["says"]));
    drop(worker);
    site.finish().await;
}
