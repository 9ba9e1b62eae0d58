//! A challenger predicts beside the champion, off the path of the requests.

use aprendiz_test_support::{Api, wait_until};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fixture::exports::{LEASE_TEXT, SUPPLY_TEXT};
use crate::fixture::two_versions::train_two_versions;
use crate::fixture::{TIMEOUT, TestApp, expect_json, text};

const CHALLENGER: &str = "/v1/models/m/aliases/challenger";
const PREDICT: &str = "/v1/models/m/predict";
const SHADOW: &str = "/v1/models/m/shadow";

async fn predict(api: &Api, texts: &[&str]) -> Value {
    expect_json(api.post(PREDICT).json(&json!({ "texts": texts })), 200).await
}

/// Predicts the texts until the report fulfils a condition: a server notices a new challenger after a moment. An input counts once.
async fn predict_until(app: &TestApp, texts: &[&str], what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let api = app.api();
    wait_until(what, TIMEOUT, async || {
        assert_eq!(predict(&api, texts).await["number"], 1);
        let report = api.json(SHADOW).await;
        condition(&report).then_some(report)
    })
    .await
}

#[tokio::test]
async fn the_report_shows_where_the_challenger_differs_and_who_was_right() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    train_two_versions(&app).await;
    drop(worker);
    let problem = expect_json(app.api().get(SHADOW), 404).await;
    assert!(problem["code"] == "unknown_alias" && text(&problem["detail"]).contains("challenger"), "{problem}");
    assert_eq!(app.cli(&["model", "alias", "set", "m", "challenger", "2"])["number"], 2);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'model.alias' AND subject = 'm/challenger'").await, 1);

    // the text of a document without review
    let body = json!({ "project": "p", "task_id": "1", "text": LEASE_TEXT });
    let document = text(&expect_json(app.api().post("/v1/documents").json(&body), 201).await["id"]);
    let report = predict_until(&app, &[LEASE_TEXT, SUPPLY_TEXT], "two compared inputs", |report| report["compared"] == 2).await;
    assert_eq!((&report["champion"], &report["challenger"], &report["share"]), (&json!(1), &json!(2), &json!(1.0)), "{report}");
    assert_eq!(report["dropped"], json!({ "queue_full": 0, "failed": 0 }));
    let field = &report["fields"][0];
    assert_eq!(
        (&field["field"], &field["compared"], &field["disagreed"], &field["rate"]),
        (&json!("kind"), &json!(2), &json!(2), &json!(1.0))
    );
    let classes: Vec<(&Value, &Value)> =
        field["classes"].as_array().unwrap().iter().map(|class| (&class["value"], &class["disagreed"])).collect();
    assert_eq!(classes, [(&json!(["lease"]), &json!(1)), (&json!(["supply"]), &json!(1))]);
    assert_eq!(field["reviewed"]["n"], 0);
    let hash = hex::encode(Sha256::digest(LEASE_TEXT));
    let disagreements = report["disagreements"]["items"].as_array().unwrap();
    let lease = disagreements.iter().find(|row| row["input_sha256"] == hash.as_str()).unwrap();
    assert_eq!((&lease["champion_value"], &lease["challenger_value"]), (&json!(["lease"]), &json!(["supply"])), "{lease}");
    let page = app.api().json(&format!("{SHADOW}?limit=1")).await;
    let next = app.api().json(&format!("{SHADOW}?limit=1&cursor={}", text(&page["disagreements"]["next_cursor"]))).await;
    assert_eq!(next["disagreements"]["items"].as_array().unwrap().len(), 1);
    assert!(next["disagreements"]["next_cursor"].is_null(), "{next}");

    // the reviewer agrees with the challenger
    let path = format!("/v1/documents/{document}/annotations/kind");
    expect_json(app.api().request(Method::PUT, &path).header("if-match", "\"0\"").json(&json!({ "value": ["supply"] })), 200).await;
    let mut reviewed = app.cli(&["model", "shadow", "m", "--field", "kind"])["fields"][0]["reviewed"].take();
    let p_value = reviewed["p_value"].take().as_f64().unwrap();
    assert!((p_value - 1.0).abs() < 1e-9, "{p_value}");
    let expected = json!({ "n": 1, "champion_right": 0, "challenger_right": 1, "both_wrong": 0, "both_right": 0, "p_value": null });
    assert_eq!(reviewed, expected);
    let shown = app.env.cli(&app.server, &["model", "shadow", "m"]);
    assert!(shown.status.success(), "{shown:?}");

    // an erasure deletes what the hash of the text leads to, and nothing is recorded about the text any more
    expect_json(app.api().post(&format!("/v1/documents/{document}/erase")).json(&json!({ "reason": "request 7" })), 200).await;
    let report = app.api().json(SHADOW).await;
    assert_eq!(report["disagreements"]["items"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["compared"], 2);

    // without a share nothing is compared
    assert_eq!(app.cli(&["model", "settings", "m", "--shadow-share", "0"])["shadow_share"], 0.0);
    let invalid = app.api().request(Method::PUT, "/v1/models/m").json(&json!({ "shadow_share": 1.5 }));
    assert_eq!(expect_json(invalid, 422).await["code"], "invalid_settings");
    app.finish().await;
}

#[tokio::test]
async fn a_challenger_without_files_never_disturbs_predictions() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    train_two_versions(&app).await;
    drop(worker);
    let prefix: String =
        sqlx::query_scalar("SELECT object_prefix FROM model_versions WHERE number = 2").fetch_one(app.pool()).await.unwrap();
    let keys = app.env.bucket.keys().await;
    let lost: Vec<&String> = keys.iter().filter(|key| key.starts_with(&prefix)).collect();
    assert!(!lost.is_empty(), "{prefix}: {keys:?}");
    for key in lost {
        app.env.bucket.client().delete_object().bucket(app.env.bucket.name()).key(key.as_str()).send().await.unwrap();
    }
    expect_json(app.api().request(Method::PUT, CHALLENGER).json(&json!({ "number": 2 })), 200).await;
    let report = predict_until(&app, &[LEASE_TEXT], "a counted failure", |report| report["dropped"]["failed"] != 0).await;
    assert_eq!((&report["compared"], &report["dropped"]["queue_full"]), (&json!(0), &json!(0)), "{report}");
    app.wait_for_log(&app.server.process, "cannot load the challenger").await;
    let health = app.api().json("/readyz").await;
    let check = health["checks"].as_array().unwrap().iter().find(|check| check["name"] == "shadow").unwrap();
    assert_eq!(check["state"], "ok", "one challenger does not make the task fail: {health}");

    // nor does one that is retired: the alias goes with it, and predictions go on
    let retire = json!({ "reason": "a test", "force": true });
    expect_json(app.api().post("/v1/models/m/versions/2/retire").json(&retire), 200).await;
    assert_eq!(predict(&app.api(), &[LEASE_TEXT]).await["number"], 1);
    app.finish().await;
}

#[tokio::test]
async fn a_challenger_that_is_the_champion_is_not_compared() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    train_two_versions(&app).await;
    drop(worker);
    expect_json(app.api().request(Method::PUT, CHALLENGER).json(&json!({ "number": 2 })), 200).await;
    predict_until(&app, &[LEASE_TEXT], "a compared input", |report| report["compared"] == 1).await;
    let promotion = json!({ "number": 2, "override": true, "reason": "a test" });
    expect_json(app.api().request(Method::PUT, "/v1/models/m/aliases/champion").json(&promotion), 200).await;
    assert_eq!(app.api().json(CHALLENGER).await["number"], 2, "the alias stays until somebody changes it");
    assert_eq!(predict(&app.api(), &[SUPPLY_TEXT]).await["number"], 2);
    let report = app.api().json(SHADOW).await;
    assert_eq!((&report["champion"], &report["challenger"], &report["compared"]), (&json!(2), &json!(2), &json!(0)), "{report}");
    let before = app.api().json(&format!("{SHADOW}?champion=1&challenger=2")).await;
    assert_eq!(before["compared"], 1, "the earlier comparison stays readable: {before}");
    app.finish().await;
}
