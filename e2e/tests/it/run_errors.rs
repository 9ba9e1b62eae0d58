//! Runs that cannot be: refused at once where that is possible, else failed with the reason, and nothing half-published.

use serde_json::{Value, json};

use crate::export::{contracts, reviewed, unreviewed};
use crate::site::{Site, answered, text};

#[tokio::test]
async fn a_spec_that_cannot_be_run_is_refused_and_named() {
    let site = Site::with(contracts()).await;
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
    ];
    for (spec, code, named) in cases {
        let problem = answered(site.api().post("/v1/training-runs").json(&spec), 422).await;
        assert!(problem["code"] == code && text(&problem["detail"]).contains(named), "{spec}: {problem}");
    }
    let answer = site.api().post("/v1/training-runs").body("{\"model\":").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(site.count("SELECT count(*) FROM training_runs").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM outbox").await, 0);

    // the command line passes the words on
    let output = site.env.cli(&site.server, &["run", "create", "--model", "m", "--fields", "colour"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown field colour"), "{output:?}");
    site.finish().await;
}

#[tokio::test]
async fn documents_that_nobody_reviewed_are_no_examples() {
    let site = Site::with(unreviewed(30)).await;
    let (code, reason) = fail(&site, &json!({ "model": "m", "data": { "fields": ["colour"] } })).await;
    assert_eq!(code, "no_examples");
    assert!(reason.contains("colour"), "{reason}");
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 0);
    site.finish().await;
}

#[tokio::test]
async fn a_field_with_one_class_cannot_be_trained() {
    let site = Site::with(reviewed(30, |_| "red")).await;
    let (code, reason) = fail(&site, &json!({ "model": "m" })).await;
    assert_eq!(code, "no_trainable_field");
    assert!(reason.contains("colour"), "{reason}");
    site.finish().await;
}

#[tokio::test]
async fn a_field_whose_classes_are_all_rare_cannot_be_trained() {
    // two classes, but one of them has a single document
    let site = Site::with(reviewed(30, |number| if number == 1 { "blue" } else { "red" })).await;
    let (code, reason) = fail(&site, &json!({ "model": "m" })).await;
    assert_eq!(code, "no_trainable_field");
    assert!(reason.contains("colour"), "{reason}");
    site.finish().await;
}

/// The run must fail at its first attempt, for good, and publish nothing.
async fn fail(site: &Site, spec: &Value) -> (String, String) {
    let worker = site.env.worker("worker", &[]);
    let id = site.create_run(spec).await;
    let failed = site.failed(id).await;
    assert_eq!(site.attempts(id).await, ["failed"]);
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM metrics").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE key LIKE 'models/%'").await, 0);
    // who waits for it learns of the failure and of the reason
    let output = site.env.cli(&site.server, &["run", "watch", &id.to_string()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&failed.1), "{output:?}");
    drop(worker);
    failed
}
