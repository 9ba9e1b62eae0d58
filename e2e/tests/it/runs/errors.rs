//! Impossible runs: an invalid spec is rejected, other runs fail with the reason, and nothing is published.

use serde_json::{Value, json};

use crate::fixture::exports::{contracts, reviewed, unreviewed};
use crate::fixture::{TestApp, expect_json, text};

#[tokio::test]
async fn an_invalid_spec_is_rejected_with_the_invalid_part() {
    let app = TestApp::with_import(contracts()).await;
    let cases = [
        (json!({ "model": "m", "data": { "fields": ["contract_type", "colour"] } }), "unknown_field", "colour"),
        (json!({ "model": "m", "learning_rate": 0.1 }), "invalid_body", "learning_rate"),
        (json!({ "model": "m", "data": { "feilds": [] } }), "invalid_body", "feilds"),
        (json!({ "model": "m", "params": { "max_depth": 3 } }), "bad_params", "max_depth"),
        (json!({ "model": "m", "params": { "folds": 1 } }), "bad_params", "folds"),
        (
            json!({ "model": "m", "data": { "documents": ["00000000-0000-0000-0000-000000000000"] } }),
            "unknown_document",
            "00000000-0000-0000-0000-000000000000",
        ),
        (json!({ "model": "../m" }), "invalid_body", "../m"),
        (json!({ "model": "m", "kind": "field-classifier" }), "kind_not_built", "field-classifier"),
        (json!({ "model": "m", "kind": "forest" }), "invalid_body", "forest"),
        (json!({ "model": "m", "target_accuracy": 1 }), "invalid_spec", "target_accuracy"),
        (json!({ "model": "m", "backend": "tpu" }), "invalid_body", "backend"),
        (json!({ "model": "m", "kind": "evaluate", "params": { "l2": 1 } }), "invalid_spec", "params"),
    ];
    for (spec, code, named) in cases {
        let problem = expect_json(app.api().post("/v1/training-runs").json(&spec), 422).await;
        assert!(problem["code"] == code && text(&problem["detail"]).contains(named), "{spec}: {problem}");
    }
    let answer = app.api().post("/v1/training-runs").body("{\"model\":").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(app.count("SELECT count(*) FROM training_runs").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM outbox").await, 0);

    // the command line shows the detail of the problem
    let output = app.env.cli(&app.server, &["run", "create", "--model", "m", "--fields", "colour"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown field colour"), "{output:?}");
    app.finish().await;
}

#[tokio::test]
async fn unreviewed_documents_are_not_examples() {
    let app = TestApp::with_import(unreviewed(30)).await;
    let (code, reason) = fail(&app, &json!({ "model": "m", "data": { "fields": ["colour"] } })).await;
    assert_eq!(code, "no_examples");
    assert!(reason.contains("colour"), "{reason}");
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_field_with_one_class_cannot_be_trained() {
    let app = TestApp::with_import(reviewed(30, |_| "red")).await;
    let (code, reason) = fail(&app, &json!({ "model": "m" })).await;
    assert_eq!(code, "no_trainable_field");
    assert!(reason.contains("colour"), "{reason}");
    app.finish().await;
}

#[tokio::test]
async fn a_field_whose_classes_are_all_rare_cannot_be_trained() {
    // two classes, but one of them has a single document
    let app = TestApp::with_import(reviewed(30, |number| if number == 1 { "blue" } else { "red" })).await;
    let (code, reason) = fail(&app, &json!({ "model": "m" })).await;
    assert_eq!(code, "no_trainable_field");
    assert!(reason.contains("colour"), "{reason}");
    app.finish().await;
}

/// Creates a run, which must fail permanently in its first attempt and publish nothing.
async fn fail(app: &TestApp, spec: &Value) -> (String, String) {
    let worker = app.env.worker("worker", &[]);
    let id = app.create_run(spec).await;
    let failed = app.wait_for_failure(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["failed"]);
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM metrics").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE key LIKE 'models/%'").await, 0);
    // `run watch` shows the failure and its reason
    let output = app.env.cli(&app.server, &["run", "watch", &id.to_string()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&failed.1), "{output:?}");
    drop(worker);
    failed
}
