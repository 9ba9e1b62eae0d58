//! The life of a version after its publication: deletion of its files, retirement by document, verification.

use aprendiz_test_support::{Api, wait_until};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::fixture::exports::contracts;
use crate::fixture::{TIMEOUT, TestApp, expect_json, parse_id, text};

const FIRST: &str = "/v1/models/contracts/versions/1";

async fn train(app: &TestApp) -> Value {
    let id = app.create_run(&json!({ "model": "contracts" })).await;
    app.wait_for_success(id).await
}

fn delete_files(api: &Api, number: u32) -> RequestBuilder {
    api.request(Method::DELETE, &format!("/v1/models/contracts/versions/{number}/files")).query(&[("reason", "an old format")])
}

#[tokio::test]
async fn files_of_a_retired_version_are_deleted_and_its_history_stays() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_SWEEP_EVERY_SECONDS", "1")]).await;
    app.import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let run = train(&app).await;
    train(&app).await;
    drop(worker);
    let (admin, operator) = (app.api(), app.server.api_as(&app.env.create_key("operator")));

    assert_eq!(expect_json(delete_files(&operator, 1), 403).await["code"], "forbidden");
    let blank = admin.request(Method::DELETE, &format!("{FIRST}/files")).query(&[("reason", " ")]);
    assert_eq!(expect_json(blank, 422).await["code"], "reason_required");
    assert_eq!(expect_json(delete_files(&admin, 3), 404).await["code"], "unknown_model");
    let refused = expect_json(delete_files(&admin, 1), 409).await;
    assert_eq!((&refused["code"], refused["current"]["references"].as_array().unwrap().len()), (&json!("version_in_use"), 2), "{refused}");
    assert!(text(&refused["detail"]).contains("not retired") && text(&refused["detail"]).contains("champion"), "{refused}");
    // the model is in the cache of the server now
    let predict = || admin.post("/v1/models/contracts/predict").json(&json!({ "text": "a lease", "number": 1 }));
    expect_json(predict(), 200).await;
    let override_gate = json!({ "number": 2, "override": true, "reason": "newer" });
    expect_json(admin.request(Method::PUT, "/v1/models/contracts/aliases/champion").json(&override_gate), 200).await;
    expect_json(admin.post(&format!("{FIRST}/retire")).json(&json!({ "reason": "replaced" })), 200).await;

    let before = admin.json(FIRST).await;
    let deleted = app.cli(&["model", "delete-files", "contracts", "1", "--reason", "an old format"]);
    assert_eq!((&deleted["files_deleted_reason"], &deleted["files"]), (&json!("an old format"), &before["files"]), "{deleted}");
    let again = expect_json(delete_files(&admin, 1), 200).await;
    assert_eq!(again["files_deleted_at"], deleted["files_deleted_at"], "a repetition changes nothing");
    assert_eq!(admin.json(FIRST).await["metrics"], before["metrics"], "the metrics stay");

    let run_id = text(&run["id"]);
    for path in [
        format!("{FIRST}/download"),
        format!("{FIRST}/files/config.json"),
        format!("{FIRST}/files/manifest.json"),
        format!("{FIRST}/thresholds"),
        format!("/v1/training-runs/{run_id}/model"),
        "/v1/models/contracts/compare?candidate=2&baseline=1".to_owned(),
    ] {
        let problem = expect_json(admin.get(&path), 410).await;
        assert_eq!(problem["code"], "files_deleted", "{path}: {problem}");
        assert!(text(&problem["detail"]).contains("an old format"), "{path}: {problem}");
    }
    assert_eq!(expect_json(predict(), 410).await["code"], "files_deleted");
    let prefix = text(&before["object_prefix"]);
    wait_until("the deletion of the bytes", TIMEOUT, async || {
        (!app.env.bucket.keys().await.iter().any(|key| key.starts_with(&prefix))).then_some(())
    })
    .await;
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'model.delete_files'").await, 1);
    let table = app.env.cli(&app.server, &["model", "versions", "contracts"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("files deleted"), "{table:?}");
    app.finish().await;
}

#[tokio::test]
async fn all_versions_that_used_a_document_are_retired_or_none() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let run = train(&app).await;
    train(&app).await;
    drop(worker);
    let api = app.api();
    let events = api.json(&format!("/v1/datasets/{}/events?limit=1", text(&run["dataset_id"]))).await;
    let document = text(&events["items"][0]["document_id"]);
    expect_json(api.post(&format!("/v1/documents/{document}/erase")).json(&json!({ "reason": "request 7" })), 200).await;

    let path = format!("/v1/documents/{document}/retire-models");
    let retired = || app.count("SELECT count(*) FROM model_versions WHERE retired_at IS NOT NULL");
    let plan = app.cli(&["model", "retire", "--document", &document, "--dry-run"]);
    assert_eq!(plan["retired"].as_array().unwrap().len(), 2, "{plan}");
    assert_eq!(plan["retired"][0]["aliases"], json!(["champion"]), "{plan}");
    let refused = expect_json(api.post(&path).json(&json!({})), 409).await;
    assert_eq!((&refused["code"], &refused["current"]["versions"][0]["number"]), (&json!("version_aliased"), &json!(1)), "{refused}");
    let operator = app.server.api_as(&app.env.create_key("operator"));
    let with_files = json!({ "force": true, "delete_files": true });
    assert_eq!(expect_json(operator.post(&path).json(&with_files), 403).await["code"], "forbidden");
    assert_eq!(retired().await, 0, "a plan and refusals change nothing");

    let done = app.cli(&["model", "retire", "--document", &document, "--force", "--delete-files"]);
    assert_eq!((&done["files_deleted"], done["retired"].as_array().unwrap().len()), (&json!(2), 2), "{done}");
    assert_eq!((retired().await, app.count("SELECT count(*) FROM model_aliases").await), (2, 0));
    let version = api.json(FIRST).await;
    assert!(text(&version["retired_reason"]).contains("was erased") && version["files_deleted_at"].is_string(), "{version}");
    let again = expect_json(api.post(&path).json(&with_files), 200).await;
    assert_eq!((&again["retired"], again["retired_before"].as_array().unwrap().len(), &again["files_deleted"]), (&json!([]), 2, &json!(0)));
    let unknown = api.post(&format!("/v1/documents/{}/retire-models", uuid::Uuid::nil())).json(&json!({}));
    assert_eq!(expect_json(unknown, 404).await["code"], "unknown_document");
    app.finish().await;
}

/// Verifies version 1 by the command line. Returns the exit code and what it printed.
fn verify(app: &TestApp) -> (Option<i32>, Value) {
    let output = app.env.cli(&app.server, &["model", "verify", "contracts", "1", "--wait", "-o", "json"]);
    let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), result)
}

#[tokio::test]
async fn a_version_is_verified_by_training_it_again() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let run = train(&app).await;
    let version = app.api().json(FIRST).await;
    assert!(version["build"]["git_revision"].is_string() && version["verified_at"].is_null(), "{version}");
    let manifest = app.api().json(&format!("{FIRST}/files/manifest.json")).await;
    assert_eq!(manifest["provenance"]["build"], version["build"], "{manifest}");
    let training = &manifest["provenance"]["training"];
    assert!(training["fields"][0]["l2"].is_f64() && training["solver"]["tolerance"].is_f64(), "{training}");

    let (code, found) = verify(&app);
    assert_eq!((code, &found["result"], &found["files"]), (Some(0), &json!("identical"), &json!([])), "{found}");
    assert!(found["compared"].as_u64().unwrap() >= 4, "{found}");
    let verified = app.api().json(FIRST).await;
    assert_eq!((&verified["verification"], verified["verified_at"].is_string()), (&found, true), "{verified}");
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 1, "a verification publishes nothing");

    // a recorded hash that is not that of the trained file
    let wrong = "0".repeat(64);
    app.execute(&format!(
        "UPDATE model_versions SET files = (
             SELECT jsonb_agg(CASE WHEN f ->> 'path' = 'model.safetensors' THEN f || '{{\"sha256\": \"{wrong}\"}}' ELSE f END ORDER BY o)
             FROM jsonb_array_elements(files) WITH ORDINALITY AS e (f, o))"
    ))
    .await;
    let (code, found) = verify(&app);
    assert_eq!((code, &found["result"]), (Some(1), &json!("different")), "{found}");
    assert_eq!((&found["files"][0]["path"], &found["files"][0]["published"]), (&json!("model.safetensors"), &json!(wrong)), "{found}");
    assert_eq!(found["files"].as_array().unwrap().len(), 1, "{found}");

    // without one of its documents, the snapshot is another one
    let events = app.api().json(&format!("/v1/datasets/{}/events?limit=1", text(&run["dataset_id"]))).await;
    let erase = format!("/v1/documents/{}/erase", text(&events["items"][0]["document_id"]));
    expect_json(app.api().post(&erase).json(&json!({ "reason": "request 7" })), 200).await;
    let created = expect_json(app.api().post(&format!("{FIRST}/verify")), 202).await;
    assert_eq!((&created["parent_run_id"], &created["verifies_version_id"]), (&run["id"], &version["id"]), "{created}");
    app.wait_for_success(parse_id(&created)).await;
    let found = app.api().json(FIRST).await["verification"].clone();
    assert_eq!(found["result"], "not_comparable", "{found}");
    assert!(text(&found["reasons"][0]).contains("snapshot was rebuilt"), "{found}");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'model.verify'").await, 3);
    drop(worker);
    app.finish().await;
}
