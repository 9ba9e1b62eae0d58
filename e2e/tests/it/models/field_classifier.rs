//! Field classifiers on embeddings: training from a base model, interruption, the cache, and everything that a version offers.
//!
//! The base model is tiny and has random weights.

use std::fs;

use aprendiz_test_gate::Point;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::checkpoints::model_hashes;
use crate::fixture::exports::{contracts, many_contracts};
use crate::fixture::{Hold, TIMEOUT, TestApp, expect_json, objects, parse_id, parse_json_lines, text};
use crate::models::tiny_encoder::{base_models, check_killed_worker, start_worker};

/// A run that trains two fields in seconds.
fn spec(params: &Value) -> Value {
    let mut all = json!({ "epochs": 6, "folds": 2, "chunk_tokens": 32, "chunk_overlap": 8, "max_chunks": 4 });
    all.as_object_mut().expect("an object").extend(params.as_object().expect("an object").clone());
    json!({
        "model": "contracts-classifier", "kind": "field-classifier", "base_model": "tiny", "params": all,
        "data": { "fields": ["contract_type", "managed_by"] },
    })
}

const VERSION: &str = "/v1/models/contracts-classifier/versions/1";

#[tokio::test]
async fn a_field_classifier_is_trained_evaluated_published_compared_and_verified() {
    let app = TestApp::with_import(contracts()).await;
    let worker = start_worker(&app, "worker", &base_models(&app), &[]);
    let file = app.env.folder().join("spec.json");
    fs::write(&file, spec(&json!({})).to_string()).expect("the folder can be written");
    let run = app.cli(&["run", "create", "--spec", file.to_str().expect("a plain path"), "--watch"]);
    assert_eq!((&run["status"], &run["model_version"]), (&json!("succeeded"), &json!(1)), "{run}");
    let id = parse_id(&run);
    let metrics = app.api().json(&format!("/v1/training-runs/{id}/metrics")).await.to_string();
    for name in ["accuracy", "macro_f1", "coverage_by_target", "selective_accuracy", "log_loss"] {
        assert!(metrics.contains(&format!("\"{name}\"")), "{name}: {metrics}");
    }

    let version = app.api().json(VERSION).await;
    let (card, files) = (&version["card"], version["files"].to_string());
    assert_eq!((&card["kind"], card["fields"].as_array().expect("fields").len()), (&json!("field-classifier"), 2), "{card}");
    for file in ["heads.safetensors", "config.json", "encoder/model.safetensors", "score_curves.json", "metrics.json", "README.md"] {
        assert!(files.contains(&format!("\"{file}\"")), "{file}: {files}");
    }
    check_files(&app);
    check_thresholds(&app).await;
    check_predictions_are_refused(&app).await;
    objects::check(&app).await;

    // the second version is compared with the first, which has the same test split
    let again = app.create_run(&spec(&json!({ "learning_rate": 0.01 }))).await;
    app.wait_for_success(again).await;
    let comparison = app.api().json("/v1/models/contracts-classifier/compare?baseline=1&candidate=2").await;
    assert_eq!(comparison["fields"].as_array().expect("fields").len(), 2, "{comparison}");
    let promotion = json!({ "number": 2, "override": true, "reason": "a test" });
    let alias = app.api().request(Method::PUT, "/v1/models/contracts-classifier/aliases/champion").json(&promotion);
    assert_eq!(expect_json(alias, 200).await["number"], 2);

    // a predicting model of another kind may have the same name
    let linear = app.create_run(&json!({ "model": "contracts-classifier", "data": { "fields": ["contract_type", "managed_by"] } })).await;
    app.wait_for_success(linear).await;
    let mixed = app.api().json("/v1/models/contracts-classifier/compare?baseline=2&candidate=3").await;
    assert_eq!(mixed["fields"].as_array().expect("fields").len(), 2, "{mixed}");

    let found = app.cli(&["model", "verify", "contracts-classifier", "1", "--wait"]);
    assert_eq!((&found["result"], &found["files"]), (&json!("identical"), &json!([])), "{found}");
    drop(worker);
    app.finish().await;
}

/// Checks the predictions for the test split in the downloaded directory.
fn check_files(app: &TestApp) {
    let dir = app.env.folder().join("classifier");
    app.cli(&["model", "download", "contracts-classifier", "-d", dir.to_str().expect("a plain path")]);
    let rows = parse_json_lines(&fs::read(dir.join("test_predictions.jsonl")).expect("the file is there"));
    assert!(!rows.is_empty());
    for row in &rows {
        for key in ["document_id", "group", "field", "gold", "value", "confidence", "answered", "no_known_feature"] {
            assert!(row.get(key).is_some(), "{key}: {row}");
        }
        let (start, end) = (row["evidence"]["start"].as_u64().expect("a start"), row["evidence"]["end"].as_u64().expect("an end"));
        assert!(start < end, "{row}");
    }
    let readme = fs::read_to_string(dir.join("README.md")).expect("the file is there");
    assert!(readme.contains("attention over the chunks") && readme.contains("by the base model `tiny`"), "{readme}");
    let card = fs::read_to_string(dir.join("card.json")).expect("the file is there");
    assert!(card.contains("\"base_model\""), "{card}");
}

/// Thresholds are shown and changed without the encoder.
async fn check_thresholds(app: &TestApp) {
    let path = format!("{VERSION}/thresholds");
    let shown = app.api().json(&path).await;
    assert_eq!(shown["fields"].as_array().expect("fields").len(), 2, "{shown}");
    assert!(!shown["fields"][0]["targets"].as_array().expect("targets").is_empty(), "{shown}");
    let change = app.api().request(Method::PUT, &path).json(&json!({ "target": 0.5, "revision": 0 }));
    let changed = expect_json(change, 200).await;
    assert_eq!((&changed["revision"], &changed["fields"][0]["current"]["target"]), (&json!(1), &json!(0.5)), "{changed}");
}

/// The server computes no embeddings, and the error names the way out.
async fn check_predictions_are_refused(app: &TestApp) {
    let predict = app.api().post("/v1/models/contracts-classifier/predict").json(&json!({ "text": "a" }));
    let problem = expect_json(predict, 409).await;
    assert!(problem["code"] == "needs_inference" && text(&problem["detail"]).contains("kind `linear`"), "{problem}");
}

#[tokio::test]
async fn a_field_classifier_whose_worker_is_killed_has_the_bytes_of_an_uninterrupted_one() {
    let app = TestApp::with_import(contracts()).await;
    // in the second head of the first field
    check_killed_worker(&app, &spec(&json!({})), 8).await;
    app.finish().await;
}

#[tokio::test]
async fn a_run_is_cancelled_while_texts_are_embedded() {
    let app = TestApp::with_import(contracts()).await;
    let folder = base_models(&app);
    let hold = Hold::at(&app, Point::Step(0));
    let worker = start_worker(&app, "worker", &folder, &[]);
    let id = app.create_run(&spec(&json!({}))).await;
    let child = hold.wait_until_reached().await;
    expect_json(app.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    child.wait_for_exit().await;
    assert_eq!(app.wait_for_end(id).await["status"], "cancelled");
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 0);
    drop((hold, worker));
    app.finish().await;
}

/// Numbers of cached and computed vectors of each child process of a worker: training and evaluation of a run alternate.
fn logged_counts(log: &str) -> Vec<(u64, u64)> {
    let lines = log.lines().filter(|line| line.contains("base-model embeddings embeddings.cached="));
    let number = |line: &str, name: &str| -> u64 {
        let (_, rest) = line.split_once(&format!("{name}=")).expect("the line has the number");
        rest.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
    };
    lines.map(|line| (number(line, "embeddings.cached"), number(line, "embeddings.computed"))).collect()
}

async fn train(app: &TestApp) -> Uuid {
    let id = app.create_run(&spec(&json!({}))).await;
    app.wait_for_success(id).await;
    id
}

#[tokio::test]
async fn later_runs_embed_only_new_texts() {
    let app = TestApp::with_import(contracts()).await;
    let worker = start_worker(&app, "worker", &base_models(&app), &[]);
    let first = train(&app).await;
    let second = train(&app).await;
    let [(0, trained), (_, tested), (_, 0), (_, 0)] = logged_counts(&worker.log())[..] else {
        panic!("{:?}", logged_counts(&worker.log()))
    };
    assert!(trained > 50 && tested > 0, "{trained} {tested}");
    assert_eq!(model_hashes(&app, first).await, model_hashes(&app, second).await);

    // the larger sample begins with the documents of the smaller one
    app.import(many_contracts(110)).await;
    train(&app).await;
    let [.., (_, more), (_, more_tested)] = logged_counts(&worker.log())[..] else { panic!("two lines per run") };
    let all = trained + tested;
    assert!(more + more_tested > 0 && (more + more_tested) * 3 < all, "{more} and {more_tested} of {all}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_published_version_is_evaluated_and_predicts_with_cached_vectors() {
    let app = TestApp::with_import(contracts()).await;
    let worker = start_worker(&app, "worker", &base_models(&app), &[]);
    let trained = train(&app).await;
    let uses = json!({ "model": "contracts-classifier", "model_version": 1 });
    let used = |kind: &str| {
        let mut spec = uses.clone();
        spec["kind"] = json!(kind);
        spec
    };
    let evaluated = app.create_run(&used("evaluate")).await;
    app.wait_for_success(evaluated).await;
    let metrics = async |run: Uuid| {
        let metrics = app.api().json(&format!("/v1/training-runs/{run}/metrics")).await;
        let items = metrics["items"].as_array().expect("metrics").clone();
        let selected =
            items.into_iter().filter(|item| item["split"] == "test" && ["n", "accuracy"].contains(&text(&item["name"]).as_str()));
        selected.map(|item| (item["field"].to_string(), text(&item["name"]), item["value"].clone())).collect::<Vec<_>>()
    };
    let found = metrics(evaluated).await;
    assert!(!found.is_empty());
    assert_eq!(found, metrics(trained).await, "the same test split, with the same weights");

    let predicted = app.create_run(&used("predict")).await;
    app.wait_for_success(predicted).await;
    let sql = "SELECT count(*) FROM extractions WHERE extractor_version = 'contracts-classifier@1' AND confidence IS NOT NULL";
    assert!(app.count(sql).await > 0);
    let [_, _, (evaluation, 0), ref pages @ ..] = logged_counts(&worker.log())[..] else { panic!("{:?}", logged_counts(&worker.log())) };
    assert!(evaluation > 0);
    // a few documents have no value of the fields, so the snapshot does not have them
    let (cached, computed) = pages.iter().fold((0, 0), |sum, page| (sum.0 + page.0, sum.1 + page.1));
    assert!(cached > 10 * computed, "{pages:?}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn vectors_of_a_training_that_a_shutdown_stops_are_kept() {
    let app = TestApp::with_import(contracts()).await;
    let folder = base_models(&app);
    let hold = Hold::at(&app, Point::Step(1));
    let mut first = start_worker(&app, "worker-1", &folder, &[]);
    let id = app.create_run(&spec(&json!({}))).await;
    hold.wait_until_reached().await;
    first.terminate();
    app.wait_for_log(&first, "a second signal exits immediately").await;
    drop(hold);
    first.wait(TIMEOUT).await;
    assert_eq!(app.count("SELECT count(*) FROM embedding_files").await, 1);
    let second = start_worker(&app, "worker-2", &folder, &[]);
    app.wait_for_success(id).await;
    let counts = logged_counts(&second.log());
    // the texts of validation are embedded after the heads
    assert!(counts[0].0 > 50 && counts[0].1 < counts[0].0, "{counts:?}");
    drop((first, second));
    app.finish().await;
}
