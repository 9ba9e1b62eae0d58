//! A run of kind `auto` whose fields are predicted by different kinds: its version is published, evaluated, and predicts as it was measured.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::governed_contracts;
use crate::fixture::{TestApp, expect_json, get_bytes, parse_json_lines, text};
use crate::models::tiny_encoder::{base_models, start_worker};

#[tokio::test]
async fn a_version_with_several_kinds_is_published_evaluated_and_predicts_as_it_was_measured() {
    let env = aprendiz_test_support::TestEnv::start().await;
    let socket = env.folder().join("inference.sock");
    let variables = [("APRENDIZ_INFERENCE_SOCKET", socket.to_str().expect("a plain path"))];
    let app = TestApp { server: env.serve_with(&["--with-inference"], &variables).await, env };
    let worker = start_worker(&app, "worker", &base_models(&app), &[]);
    app.import(governed_contracts(160)).await;
    let params = json!({ "chunk_tokens": 48, "chunk_overlap": 8, "folds": 3 });
    let run = app.create_run(&json!({ "model": "m", "kind": "auto", "base_model": "tiny", "params": params })).await;
    app.wait_for_success(run).await;

    let card = app.api().json("/v1/models/m/versions/1").await["card"].clone();
    assert_eq!(card["kind"], "auto", "{card}");
    let readme = get_bytes(&app.api(), &format!("/v1/training-runs/{run}/model?file=README.md")).await;
    let readme = String::from_utf8(readme).expect("text");
    assert!(readme.contains("`kind` is predicted by: linear") && readme.contains("`law` is predicted by: "), "{readme}");

    let examples = parse_json_lines(&get_bytes(&app.api(), &format!("/v1/training-runs/{run}/dataset?format=jsonl&split=test")).await);
    let scored = parse_json_lines(&get_bytes(&app.api(), &format!("/v1/training-runs/{run}/model?file=test_predictions.jsonl")).await);
    let texts: Vec<&Value> = examples.iter().take(64).map(|example| &example["text"]).collect();
    let answer = expect_json(app.api().post("/v1/models/m/predict").json(&json!({ "texts": texts })), 200).await;
    for (example, predicted) in examples.iter().zip(answer["predictions"].as_array().expect("predictions")) {
        for line in scored.iter().filter(|line| line["document_id"] == example["document_id"]) {
            let fields = predicted["fields"].as_array().expect("fields");
            let answer = fields.iter().find(|answer| answer["field"] == line["field"]).expect("the field");
            assert_eq!((&answer["confidence"], &answer["answered"]), (&line["confidence"], &line["answered"]), "{line}");
            assert_eq!(answer["evidence"].is_object(), line["field"] == "law", "{answer}");
        }
    }

    let used = |kind: &str| json!({ "model": "m", "model_version": 1, "kind": kind });
    let evaluated = app.create_run(&used("evaluate")).await;
    app.wait_for_success(evaluated).await;
    assert_eq!(accuracies(&app, evaluated).await, accuracies(&app, run).await, "the same test split, with the same weights");
    let predicted = app.create_run(&used("predict")).await;
    app.wait_for_success(predicted).await;
    assert_eq!(app.count("SELECT count(*) FROM extractions WHERE extractor_version = 'm@1'").await, 320);
    drop(worker);
    app.finish().await;
}

/// The accuracies on test by field.
async fn accuracies(app: &TestApp, run: Uuid) -> Vec<(String, Value)> {
    let metrics = app.api().json(&format!("/v1/training-runs/{run}/metrics")).await;
    let items = metrics["items"].as_array().expect("metrics").iter();
    let selected = items.filter(|item| item["split"] == "test" && item["name"] == "accuracy" && !item["field"].is_null());
    selected.map(|item| (text(&item["field"]), item["value"].clone())).collect()
}
