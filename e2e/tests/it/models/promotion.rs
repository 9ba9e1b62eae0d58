//! Which version answers: aliases, the gate, rollback, approval and retirement.

use aprendiz_test_support::{Api, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::exports::contracts;
use crate::fixture::{TIMEOUT, TestApp, expect_json, text};

const CHAMPION: &str = "/v1/models/contracts/aliases/champion";

/// Trains a version; a small `max_features` makes it worse.
async fn train(app: &TestApp, max_features: Option<u64>) -> i64 {
    let params = max_features.map_or_else(|| json!({}), |features| json!({ "max_features": features }));
    let id = app.create_run(&json!({ "model": "contracts", "params": params })).await;
    app.wait_for_success(id).await["model_version"].as_i64().expect("the run published a version")
}

fn put(api: &Api, path: &str, body: &Value) -> reqwest::RequestBuilder {
    api.request(Method::PUT, path).json(body)
}

/// The version that answers, asked with this body.
async fn answers(api: &Api, choice: Value) -> i64 {
    let mut body = json!({ "text": "This Agreement is governed by the laws of Delaware." });
    body.as_object_mut().expect("an object").extend(choice.as_object().expect("an object").clone());
    let predicted = expect_json(api.post("/v1/models/contracts/predict").json(&body), 200).await;
    predicted["number"].as_i64().expect("a number")
}

#[tokio::test]
async fn a_later_version_answers_only_after_its_promotion() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let (admin, operator) = (app.api(), app.server.api_as(&app.env.create_key("operator")));
    assert_eq!(train(&app, None).await, 1);
    assert_eq!(answers(&operator, json!({})).await, 1);
    let first = admin.json(CHAMPION).await;
    assert_eq!(first["number"], 1, "the first version became champion by rule");

    assert_eq!(train(&app, Some(100)).await, 2);
    assert_eq!(answers(&operator, json!({})).await, 1, "a published version does not answer unasked");
    assert_eq!(answers(&operator, json!({ "number": 2 })).await, 2);
    expect_json(put(&operator, "/v1/models/contracts/aliases/challenger", &json!({ "number": 2 })), 200).await;
    assert_eq!(answers(&operator, json!({ "alias": "challenger" })).await, 2);
    let problem = expect_json(operator.post("/v1/models/contracts/predict").json(&json!({ "text": "x", "alias": "unknown" })), 404).await;
    assert_eq!(problem["code"], "unknown_alias");

    // the sample has too few test documents for the default rules, or the version is worse: both name a field
    let problem = expect_json(put(&operator, CHAMPION, &json!({ "number": 2 })), 409).await;
    assert!(["insufficient_evidence", "gate_refused"].contains(&problem["code"].as_str().unwrap()), "{problem}");
    assert!(!problem["current"]["fields"].as_array().unwrap().is_empty(), "{problem}");
    let overridden = json!({ "number": 2, "override": true, "reason": "the old one misreads addenda" });
    assert_eq!(expect_json(put(&operator, CHAMPION, &overridden), 403).await["code"], "forbidden");
    let without_reason = json!({ "number": 2, "override": true, "reason": "  " });
    assert_eq!(expect_json(put(&admin, CHAMPION, &without_reason), 422).await["code"], "reason_required");
    let stale = put(&admin, CHAMPION, &overridden).header("If-Match", "\"0\"");
    assert_eq!(expect_json(stale, 412).await["code"], "version_mismatch");
    assert_eq!(answers(&operator, json!({})).await, 1, "a refused promotion changes nothing");
    let before = time(&app).await;
    let etag = format!("\"{}\"", first["revision"]);
    expect_json(put(&admin, CHAMPION, &overridden).header("If-Match", etag), 200).await;
    assert_eq!(answers(&operator, json!({})).await, 2);

    let promoted = time(&app).await;
    let rolled_back = expect_json(operator.post(&format!("{CHAMPION}/rollback")).json(&json!({ "reason": "complaints" })), 200).await;
    assert_eq!(rolled_back["number"], 1);
    assert_eq!(answers(&operator, json!({})).await, 1);
    let problem = expect_json(operator.post(&format!("{CHAMPION}/rollback")).json(&json!({})), 409).await;
    assert_eq!(problem["code"], "no_earlier_version");
    for (at, expected) in [(before, 1), (promoted, 2), (time(&app).await, 1)] {
        let page = admin.json(&format!("{CHAMPION}/history?at={at}&limit=1")).await;
        assert_eq!(page["items"][0]["to_number"], expected, "at {at}: {page}");
    }
    let history = admin.json(&format!("{CHAMPION}/history")).await;
    let actions: Vec<String> = history["items"].as_array().unwrap().iter().map(|event| text(&event["action"])).collect();
    assert_eq!(actions, ["rolled_back", "promoted", "first_version"]);
    assert_eq!((&history["items"][1]["overridden"], &history["items"][1]["reason"]), (&json!(true), &overridden["reason"]));
    assert!(history["items"][1]["gate"]["fields"].is_array(), "{history}");

    check_retirement(&app, &operator).await;
    check_labels(&operator).await;
    check_audit(&app, &["model.alias", "model.retire", "model_version.tag", "model_version.note"]).await;
    drop(worker);
    app.finish().await;
}

async fn check_retirement(app: &TestApp, operator: &Api) {
    let retire =
        |force: bool| operator.post("/v1/models/contracts/versions/2/retire").json(&json!({ "reason": "replaced", "force": force }));
    assert_eq!(expect_json(retire(false), 409).await["code"], "version_aliased");
    let retired = expect_json(retire(true), 200).await;
    assert!(retired["retired_at"].is_string() && retired["aliases"] == json!([]), "{retired}");
    let by_number = operator.post("/v1/models/contracts/predict").json(&json!({ "text": "x", "number": 2 }));
    assert_eq!(expect_json(by_number, 409).await["code"], "version_retired");
    assert_eq!(expect_json(put(&app.api(), CHAMPION, &json!({ "number": 2 })), 409).await["code"], "version_retired");
    let removed = operator.request(Method::DELETE, CHAMPION).send().await.unwrap();
    assert_eq!(removed.status(), 204);
    let unasked = operator.post("/v1/models/contracts/predict").json(&json!({ "text": "x" }));
    assert_eq!(expect_json(unasked, 404).await["code"], "unknown_alias");
    assert_eq!(answers(operator, json!({ "number": 1 })).await, 1);
}

async fn check_labels(operator: &Api) {
    let path = "/v1/models/contracts/versions/1";
    expect_json(operator.post(&format!("{path}/tags")).json(&json!({ "set": { "stage": "approved" } })), 200).await;
    expect_json(put(operator, &format!("{path}/note"), &json!({ "note": "approved by legal" })), 200).await;
    let version = operator.json(path).await;
    assert_eq!((&version["tags"]["stage"], &version["note"]), (&json!("approved"), &json!("approved by legal")), "{version}");
}

/// Settings, promotion and rollback by the command line, whose version 2 is worse.
fn check_command_line(app: &TestApp) {
    let settings = app.cli(&["model", "settings", "contracts", "--min-n", "5", "--owner", "legal", "--field-margin", "contract_type=0.05"]);
    assert_eq!((&settings["gate"]["min_n"], &settings["owner"]), (&json!(5), &json!("legal")), "{settings}");
    assert_eq!(settings["gate"]["field_margins"]["contract_type"], 0.05, "{settings}");
    assert_eq!(app.cli(&["model", "compare", "contracts"])["candidate"]["number"], 2);
    let refused = app.env.cli(&app.server, &["model", "promote", "contracts", "2"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("gate_refused"), "{refused:?}");
    let promoted = app.cli(&["model", "promote", "contracts", "2", "--override", "--reason", "a test"]);
    assert_eq!((&promoted["number"], &promoted["gate"]["decision"]), (&json!(2), &json!("refused")), "{promoted}");
    assert_eq!(app.cli(&["model", "rollback", "contracts"])["number"], 1);
    assert_eq!(app.cli(&["model", "history", "contracts"])[0]["action"], "rolled_back");
}

/// Checks that each of these actions left an audit row.
async fn check_audit(app: &TestApp, actions: &[&str]) {
    let found: Vec<String> = sqlx::query_scalar("SELECT DISTINCT action FROM audit_log").fetch_all(app.pool()).await.unwrap();
    for action in actions {
        assert!(found.iter().any(|found| found == action), "{action}: {found:?}");
    }
}

/// The time of the database, for a query.
async fn time(app: &TestApp) -> String {
    sqlx::query_scalar(r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#)
        .fetch_one(app.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_version_that_passes_the_gate_is_promoted_automatically_and_a_worse_one_is_not() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let settings = |gate: Value| json!({ "description": "contract fields", "owner": "legal", "promotion": "automatic", "gate": gate });
    let gate = json!({ "min_n": 1, "margin": 1.0 });
    let created = expect_json(put(&app.api(), "/v1/models/contracts", &settings(gate)), 200).await;
    assert_eq!(created["promotion"], "automatic");
    train(&app, None).await;
    // any difference is within a margin of 100 points
    train(&app, Some(100)).await;
    let decided = decided(&app, 2).await;
    assert_eq!(decided["gate"]["decision"], "passed", "{decided}");
    assert_eq!(app.api().json(CHAMPION).await["number"], 2);
    let history = app.api().json(&format!("{CHAMPION}/history?limit=1")).await;
    assert_eq!(history["items"][0]["actor"], "rule automatic");

    // with so many needed examples, nothing can be shown
    expect_json(put(&app.api(), "/v1/models/contracts", &settings(json!({ "min_n": 100_000 }))), 200).await;
    train(&app, None).await;
    assert_ne!(self::decided(&app, 3).await["gate"]["decision"], "passed");
    assert_eq!(app.api().json(CHAMPION).await["number"], 2);
    drop(worker);
    app.finish().await;
}

/// The version, once the gate of the automatic promotion has decided.
async fn decided(app: &TestApp, number: i64) -> Value {
    wait_until("the decision of the gate", TIMEOUT, async || {
        let version = app.api().json(&format!("/v1/models/contracts/versions/{number}")).await;
        (version["gate_due"] == false && !version["gate"].is_null()).then_some(version)
    })
    .await
}

#[tokio::test]
async fn a_promotion_that_needs_approval_takes_two_keys() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let settings = json!({ "promotion": "approval", "gate": { "min_n": 1, "margin": 1.0 } });
    expect_json(put(&app.api(), "/v1/models/contracts", &settings), 200).await;
    train(&app, None).await;
    train(&app, None).await;
    let operator = app.server.api_as(&app.env.create_key("operator"));
    let request = expect_json(put(&operator, CHAMPION, &json!({ "number": 2, "reason": "more labels" })), 202).await;
    assert_eq!((&request["state"], &request["gate"]["decision"]), (&json!("pending"), &json!("passed")), "{request}");
    assert_eq!(answers(&operator, json!({})).await, 1, "a request changes nothing");
    let path = format!("/v1/models/contracts/promotion-requests/{}", text(&request["id"]));
    assert_eq!(expect_json(operator.post(&format!("{path}/approve")).json(&json!({})), 403).await["code"], "own_promotion");
    assert_eq!(expect_json(app.api().post(&format!("{path}/reject")).json(&json!({})), 422).await["code"], "reason_required");
    let approved = expect_json(app.api().post(&format!("{path}/approve")).json(&json!({ "reason": "checked" })), 200).await;
    assert_eq!(approved["state"], "approved");
    assert_eq!(answers(&operator, json!({})).await, 2);
    assert_eq!(expect_json(app.api().post(&format!("{path}/approve")).json(&json!({})), 409).await["code"], "promotion_decided");
    let event = &app.api().json(&format!("{CHAMPION}/history?limit=1")).await["items"][0];
    assert!(text(&event["reason"]).contains("operator") && text(&event["reason"]).contains("more labels"), "{event}");

    // a request that rests on an older champion cannot be approved
    let outdated = expect_json(put(&operator, CHAMPION, &json!({ "number": 1 })), 202).await;
    expect_json(operator.post(&format!("{CHAMPION}/rollback")).json(&json!({})), 200).await;
    let path = format!("/v1/models/contracts/promotion-requests/{}", text(&outdated["id"]));
    assert_eq!(expect_json(app.api().post(&format!("{path}/approve")).json(&json!({})), 412).await["code"], "version_mismatch");
    expect_json(app.api().post(&format!("{path}/reject")).json(&json!({ "reason": "outdated" })), 200).await;
    check_audit(&app, &["model.settings", "model.promotion.request", "model.promotion.reject"]).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn of_two_promotions_at_once_exactly_one_wins() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    expect_json(put(&app.api(), "/v1/models/contracts", &json!({ "gate": { "min_n": 1, "margin": 1.0 } })), 200).await;
    for _ in 0..3 {
        train(&app, None).await;
    }
    let etag = format!("\"{}\"", app.api().json(CHAMPION).await["revision"]);
    let api = app.api();
    let promote = async |number: i64| {
        let response = put(&api, CHAMPION, &json!({ "number": number })).header("If-Match", &etag).send().await.unwrap();
        response.status().as_u16()
    };
    let (second, third) = tokio::join!(promote(2), promote(3));
    let mut statuses = [second, third];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let winner = if second == 200 { 2 } else { 3 };
    assert_eq!(app.api().json(CHAMPION).await["number"], winner);
    assert_eq!(app.count("SELECT count(*) FROM alias_events WHERE action = 'promoted'").await, 1);
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_version_compared_with_itself_does_not_differ() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    train(&app, None).await;
    train(&app, Some(20)).await;
    let itself = app.api().json("/v1/models/contracts/compare?candidate=1&baseline=1").await;
    let fields = itself["fields"].as_array().unwrap();
    assert!(!fields.is_empty());
    for field in fields {
        assert_eq!((&field["comparison"]["p_value"], &field["differing"]), (&json!(1.0), &json!(0)), "{field}");
        for metric in field["comparison"]["metrics"].as_array().unwrap().iter().filter(|metric| !metric["difference"].is_null()) {
            assert_eq!(metric["difference"], 0.0, "{metric}");
            assert_eq!((&metric["interval"]["low"], &metric["interval"]["high"]), (&json!(0.0), &json!(0.0)), "{metric}");
        }
    }
    // the test split is that of the runs: the comparison and the metrics agree
    let other = app.api().json("/v1/models/contracts/compare?candidate=2&baseline=1").await;
    assert_eq!(other["candidate"]["dataset_hash"], other["baseline"]["dataset_hash"]);
    for field in other["fields"].as_array().unwrap() {
        let (examples, differing) = (field["comparison"]["examples"].as_u64().unwrap(), field["differing"].as_u64().unwrap());
        assert!(differing <= examples && field["only_baseline"] == 0 && field["relabelled"] == 0, "{field}");
        for side in ["baseline", "candidate"] {
            let run = text(&other[side]["run_id"]);
            let accuracy: Option<f64> = sqlx::query_scalar(
                "SELECT value FROM metrics WHERE run_id = $1::uuid AND split = 'test' AND field = $2 AND name = 'accuracy'",
            )
            .bind(run)
            .bind(text(&field["field"]))
            .fetch_one(app.pool())
            .await
            .unwrap();
            let compared = field["comparison"]["metrics"][0][side].as_f64();
            assert!((compared.unwrap() - accuracy.unwrap()).abs() < 1e-12, "{field}");
        }
    }
    let runs = (text(&other["candidate"]["run_id"]), text(&other["baseline"]["run_id"]));
    let of_runs = app.api().json(&format!("/v1/training-runs/compare?candidate={}&baseline={}", runs.0, runs.1)).await;
    assert_eq!(of_runs["fields"], other["fields"]);
    check_command_line(&app);
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_version_is_compared_with_the_extractor_and_erased_documents_are_left_out() {
    let app = TestApp::with_import(contracts()).await;
    let insert = "INSERT INTO extractions (document_id, field, extractor_version, value, predicted_at)
        SELECT DISTINCT document_id, field, 'wrong-1', ARRAY['none of the classes'], now() FROM annotation_events";
    sqlx::query(insert).execute(app.pool()).await.unwrap();
    let worker = app.env.worker("worker", &[]);
    train(&app, None).await;
    let path = "/v1/models/contracts/compare?candidate=1&baseline=extractor";
    let compared = app.api().json(path).await;
    assert_eq!(compared["baseline"]["extractor_versions"], json!(["wrong-1"]), "{compared}");
    assert_eq!((&compared["candidate"]["number"], &compared["gate"], &compared["erased"]), (&json!(1), &Value::Null, &json!(0)));
    for field in compared["fields"].as_array().unwrap() {
        assert_eq!(field["comparison"]["metrics"][0]["baseline"], 0.0, "{field}");
        assert_eq!(field["differing"], field["comparison"]["examples"], "{field}");
    }
    let reversed = app.api().json("/v1/models/contracts/compare?candidate=extractor&baseline=1").await;
    assert_eq!(reversed["candidate"]["extractor_versions"], json!(["wrong-1"]), "{reversed}");
    assert_eq!(app.cli(&["model", "compare", "contracts", "--baseline", "extractor"])["fields"], compared["fields"]);
    let both = app.api().get("/v1/models/contracts/compare?candidate=extractor&baseline=extractor");
    assert_eq!(expect_json(both, 422).await["code"], "not_comparable");

    let listed = &compared["fields"][0]["documents"][0];
    let (id, name) = (text(&listed["document_id"]), text(&listed["document"]));
    assert_eq!(name.split('/').count(), 3, "{listed}");
    expect_json(app.api().post(&format!("/v1/documents/{id}/erase")).json(&json!({ "reason": "requested" })), 200).await;
    let after = app.api().json(path).await;
    assert_eq!(after["erased"], 1, "{after}");
    assert!(!after.to_string().contains(&id), "{after}");
    drop(worker);
    app.finish().await;
}
