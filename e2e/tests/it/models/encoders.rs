//! Sentence transformers: training from a base model, interruption, publication, embeddings.
//!
//! The base model is tiny and has random weights. One test uses the real one, if its weights are present.

use std::fs;
use std::path::PathBuf;

use aprendiz_test_gate::Point;
use aprendiz_test_support::report_skipped;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{Hold, TestApp, expect_json, objects, parse_id, parse_json_lines, text};
use crate::models::tiny_encoder::{base_models, check_killed_worker, encoder_spec, quick_params, start_worker};

async fn card(app: &TestApp, number: i32) -> Value {
    app.api().json(&format!("/v1/models/contracts-encoder/versions/{number}")).await
}

/// The log events of a run.
async fn log_events(app: &TestApp, id: Uuid) -> String {
    let sql =
        "SELECT coalesce(string_agg(payload->>'text', E'\n' ORDER BY sequence), '') FROM run_events WHERE run_id = $1 AND kind = 'log'";
    sqlx::query_scalar(sql).bind(id).fetch_one(app.pool()).await.expect("events can be read")
}

#[tokio::test]
async fn an_encoder_is_trained_evaluated_published_embeds_texts_and_becomes_a_base_model() {
    let app = TestApp::with_import(contracts()).await;
    let worker = start_worker(&app, "worker", &base_models(&app), &[]);
    let file = app.env.folder().join("spec.json");
    fs::write(&file, encoder_spec(&quick_params()).to_string()).expect("the folder can be written");
    let run = app.cli(&["run", "create", "--spec", file.to_str().expect("a plain path"), "--watch"]);
    assert_eq!((&run["status"], &run["model_version"]), (&json!("succeeded"), &json!(1)), "{run}");
    let id = parse_id(&run);
    check_metrics(&run);

    let version = card(&app, 1).await;
    let (card, files) = (&version["card"], version["files"].to_string());
    assert!(card["kind"] == "sentence-transformer" && card["base_model"]["name"] == "tiny", "{card}");
    assert!(["better", "worse", "same"].contains(&card["verdict"].as_str().expect("a verdict")), "{card}");
    for file in ["model.safetensors", "tokenizer.json", "modules.json", "1_Pooling/config.json", "metrics.json", "test_pairs.jsonl"] {
        assert!(files.contains(&format!("\"{file}\"")), "{file}: {files}");
    }
    let log = log_events(&app, id).await;
    assert!(log.contains("starts from tiny, sha256 ") && log.matches("test split read once").count() == 1, "{log}");
    assert_eq!(app.run(id).await["spec"]["data"]["pairs"]["max_chars"], 200);
    objects::check(&app).await;

    check_vectors(&app);
    check_rejected_requests(&app, id).await;
    check_training_from_it(&app, id, &version).await;
    drop(worker);
    app.finish().await;
}

/// Checks that every metric has the corresponding one of the base model.
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

/// Checks that the downloaded directory is complete, and that server and worker compute the same embeddings from it.
fn check_vectors(app: &TestApp) {
    let dir = app.env.folder().join("encoder");
    app.cli(&["model", "download", "contracts-encoder", "-d", dir.to_str().expect("a plain path")]);
    let input = app.env.folder().join("texts.jsonl");
    let texts = ["governed by the laws of texas", "", "fees are due within thirty days of the invoice"];
    let to_line = |(id, text): (usize, &&str)| format!("{}\n", json!({ "id": id, "text": text }));
    fs::write(&input, texts.iter().enumerate().map(to_line).collect::<String>()).expect("the folder can be written");
    let output =
        app.env.cli(&app.server, &["embed", "--model", "contracts-encoder", "--batch", "2", input.to_str().expect("a plain path")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = parse_json_lines(&output.stdout);
    assert_eq!(found.len(), texts.len());
    let direct = app.env.command("aprendiz-worker").args(["embed", "--model"]).arg(&dir).arg("--batch=2").arg(&input).output();
    assert_eq!(direct.expect("the worker starts").stdout, output.stdout);
    for (id, line) in found.iter().enumerate() {
        let vector: Vec<f64> = serde_json::from_value(line["embedding"].clone()).expect("numbers");
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!(line["id"] == id && line["text"].is_null() && vector.len() == 32 && (length - 1.0).abs() < 1e-5, "{line}");
    }
    let plain = app.env.command("aprendiz-worker").args(["embed", "--plain", "--model"]).arg(&dir).arg("/nonexistent").output();
    assert!(!plain.expect("the worker starts").status.success());
}

/// Checks the rejected requests: an encoder cannot predict, and its name belongs to models of its kind.
async fn check_rejected_requests(app: &TestApp, id: Uuid) {
    let predict = app.api().post("/v1/models/contracts-encoder/predict").json(&json!({ "text": "a" }));
    assert_eq!(expect_json(predict, 422).await["code"], "model_without_answers");
    for (spec, code) in [
        (json!({ "model": "contracts-encoder" }), "model_kind_differs"),
        (json!({ "model": "x", "kind": "sentence-transformer", "base_model": "models:/contracts-encoder/9" }), "unknown_base_model"),
        (json!({ "model": "x", "kind": "sentence-transformer", "params": { "l2": 1 } }), "bad_params"),
        (json!({ "model": "x", "kind": "sentence-transformer", "base_model": "../x" }), "invalid_spec"),
        (json!({ "model": "x", "data": { "pairs": {} } }), "invalid_spec"),
    ] {
        let problem = expect_json(app.api().post("/v1/training-runs").json(&spec), 422).await;
        assert_eq!(problem["code"], code, "{spec}: {problem}");
    }
    let again = app.api().post(&format!("/v1/training-runs/{id}/sentence-transformer")).json(&json!({ "epochs": 2 }));
    assert_eq!(expect_json(again, 422).await["code"], "invalid_body");
}

/// Trains from the published version, named by its number (`train-st`) and by its prefix in the bucket.
async fn check_training_from_it(app: &TestApp, id: Uuid, version: &Value) {
    let id = id.to_string();
    let arguments = ["train-st", "--training-run", &id, "--base-model", "models:/contracts-encoder/1", "--param", "epochs=1", "--wait"];
    let run = app.cli(&arguments);
    assert_eq!((&run["parent_run_id"], &run["model"]), (&json!(id), &json!("contracts-encoder")), "{run}");
    let second = card(app, 2).await;
    assert_eq!(second["card"]["base_model"]["version"], json!({ "model": "contracts-encoder", "number": 1 }), "{second}");
    assert_eq!(second["dataset_id"], version["dataset_id"], "both use the same snapshot");

    let prefix = format!("s3://{}/{}", app.env.bucket.name(), text(&version["object_prefix"]));
    let mut spec = encoder_spec(&json!({ "epochs": 1, "examples_per_class": 3 }));
    spec["base_model"] = json!(prefix);
    let run = app.create_run(&spec).await;
    app.wait_for_success(run).await;
    let third = card(app, 3).await;
    assert_eq!(third["card"]["base_model"]["sha256"], second["card"]["base_model"]["sha256"], "{third}");
}

#[tokio::test]
async fn an_encoder_whose_worker_is_killed_has_the_bytes_of_an_uninterrupted_one() {
    let app = TestApp::with_import(contracts()).await;
    let spec = encoder_spec(&json!({ "epochs": 2, "patience": 0, "learning_rate": 0.002, "evaluation_documents": 20, "batch": 4 }));
    check_killed_worker(&app, &spec, 4).await;
    app.finish().await;
}

#[tokio::test]
async fn a_missing_or_forbidden_base_model_fails_the_run_with_a_hint() {
    let app = TestApp::with_import(contracts()).await;
    let folder = base_models(&app);
    let worker = start_worker(&app, "worker", &folder, &[]);
    let elsewhere = app.env.folder().join("elsewhere");
    aprendiz_encoder::write_random(&elsewhere, 3).expect("the folder can be written");
    let bucket = app.env.bucket.name();
    let cases = [
        ("all-MiniLM-L6-v2".to_owned(), "./dev weights"),
        ("someone/else".to_owned(), "hf download someone/else"),
        (elsewhere.display().to_string(), "APRENDIZ_BASE_MODELS"),
        (folder.join("missing").display().to_string(), "cannot be read"),
        ("s3://another-bucket/models/x".to_owned(), "another bucket"),
        (format!("s3://{bucket}/models/x/run-{}/attempt-1", Uuid::nil()), "models:/NAME/NUMBER"),
    ];
    for (name, hint) in cases {
        let mut spec = encoder_spec(&quick_params());
        spec["base_model"] = json!(name);
        let id = app.create_run(&spec).await;
        let (code, reason) = app.wait_for_failure(id).await;
        assert!(code == "unknown_base_model" && reason.contains(hint), "{name}: {code}: {reason}");
        assert_eq!(app.attempt_statuses(id).await, ["failed"]);
    }
    // a directory in the folder of base models is allowed
    let mut spec = encoder_spec(&quick_params());
    spec["base_model"] = json!(folder.join("tiny"));
    let id = app.create_run(&spec).await;
    app.wait_for_success(id).await;
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 1);
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn notes_about_a_base_model_are_events_and_lines_of_the_card_and_its_prompt_is_exported() {
    let app = TestApp::with_import(contracts()).await;
    let folder = base_models(&app);
    let prompted = folder.join("prompted");
    aprendiz_encoder::write_random(&prompted, 3).expect("the folder can be written");
    let prompts = json!({ "prompts": { "query": "query: " }, "default_prompt_name": "query" });
    fs::write(prompted.join("config_sentence_transformers.json"), prompts.to_string()).expect("the folder can be written");
    let worker = start_worker(&app, "worker", &folder, &[]);
    let mut spec = encoder_spec(&json!({ "epochs": 1, "examples_per_class": 3, "evaluation_documents": 20 }));
    spec["base_model"] = json!("prompted");
    let id = app.create_run(&spec).await;
    app.wait_for_success(id).await;
    let note = "the default prompt `query`, \"query: \", is put before every text";
    let log = log_events(&app, id).await;
    assert!(log.contains(&format!("base model prompted: {note}")), "{log}");
    let version = card(&app, 1).await;
    assert_eq!(version["card"]["base_model"]["notes"], json!([note]), "{version}");
    let dir = app.env.folder().join("downloaded");
    app.cli(&["model", "download", "contracts-encoder", "-d", dir.to_str().expect("a plain path")]);
    let written = fs::read_to_string(dir.join("config_sentence_transformers.json")).expect("the export has it");
    let written: Value = serde_json::from_str(&written).expect("valid JSON");
    assert_eq!((&written["prompts"], &written["default_prompt_name"]), (&prompts["prompts"], &prompts["default_prompt_name"]));
    assert!(fs::read_to_string(dir.join("README.md")).expect("the export has a card").contains(note));

    fs::remove_dir_all(prompted.join("1_Pooling")).expect("the folder can be written");
    let id = app.create_run(&spec).await;
    let (code, reason) = app.wait_for_failure(id).await;
    assert!(code == "bad_base_model" && reason.contains("1_Pooling/config.json: is missing"), "{code}: {reason}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn the_evaluation_of_an_encoder_is_cancelled_at_once() {
    let app = TestApp::with_import(contracts()).await;
    let hold = Hold::at(&app, Point::Evaluation);
    let worker = start_worker(&app, "worker", &base_models(&app), &[]);
    let id = app.create_run(&encoder_spec(&quick_params())).await;
    let child = hold.wait_until_reached().await;
    assert_eq!(app.run(id).await["phase"], "evaluate");
    expect_json(app.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    // the evaluation is held: the run ends only if its process is killed
    assert_eq!(app.wait_for_end(id).await["status"], "cancelled");
    child.wait_for_exit().await;
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 0);
    drop((worker, hold));
    app.finish().await;
}

#[tokio::test]
async fn the_real_encoder_is_trained_if_its_weights_are_present() {
    let Some(weights) = std::env::var_os("APRENDIZ_TEST_ENCODER").map(PathBuf::from) else {
        report_skipped("APRENDIZ_TEST_ENCODER is not set (./dev weights)");
        return;
    };
    let app = TestApp::with_import(contracts()).await;
    let worker = start_worker(&app, "worker", weights.parent().expect("a directory has a folder"), &[]);
    let spec = json!({
        "model": "contracts-encoder", "kind": "sentence-transformer", "params": { "max_length": 32, "evaluation_documents": 8 },
        "data": { "fields": ["contract_type"], "pairs": { "per_label": 2, "max_chars": 100 } },
    });
    let id = app.create_run(&spec).await;
    app.wait_for_success(id).await;
    assert_eq!(app.run(id).await["spec"]["base_model"], "all-MiniLM-L6-v2");
    let version = card(&app, 1).await;
    assert!(version["card"]["base_model"]["name"] == "all-MiniLM-L6-v2" && version["card"]["average_precision"].is_f64(), "{version}");
    println!("RAN: {}", text(&version["card"]["says"]));
    drop(worker);
    app.finish().await;
}
