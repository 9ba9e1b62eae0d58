//! Reviews of one field over HTTP: status, versions, validation, history.

use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::unreviewed;
use crate::fixture::{TestApp, expect_json, text};

/// An installation with one unreviewed document, whose field `colour` is predicted as `red`.
struct ReviewTest {
    app: TestApp,
    document: Uuid,
}

impl ReviewTest {
    async fn start() -> Self {
        let app = TestApp::with_import(unreviewed(1)).await;
        let document = sqlx::query_scalar("SELECT id FROM documents").fetch_one(app.pool()).await.unwrap();
        Self { app, document }
    }

    fn path(&self, field: &str) -> String {
        format!("/v1/documents/{}/annotations/{field}", self.document)
    }

    fn put(&self, field: &str, version: Option<u32>, body: &Value) -> RequestBuilder {
        let request = self.app.api().request(Method::PUT, &self.path(field)).json(body);
        match version {
            Some(version) => request.header(header::IF_MATCH, format!("\"{version}\"")),
            None => request,
        }
    }

    fn delete(&self, field: &str, version: u32) -> RequestBuilder {
        self.app.api().request(Method::DELETE, &self.path(field)).header(header::IF_MATCH, format!("\"{version}\""))
    }

    async fn declare(&self, field: &str, definition: &Value) {
        expect_json(self.app.api().request(Method::PUT, &format!("/v1/fields/{field}")).json(definition), 200).await;
    }
}

#[tokio::test]
async fn a_field_is_reviewed_corrected_rejected_and_undone() {
    let test = ReviewTest::start().await;
    let shown = test.app.api().get(&test.path("colour")).send().await.unwrap();
    assert_eq!(shown.headers()[header::ETAG], "\"1\"");
    let state: Value = shown.json().await.unwrap();
    assert_eq!((&state["predicted_value"], &state["review_status"]), (&json!(["red"]), &json!("UNREVIEWED")), "{state}");

    for (version, value, status) in [(1, json!(["red"]), "OK"), (2, json!(["blue"]), "CORRECTED"), (3, json!([]), "REJECTED")] {
        let answer = test.put("colour", Some(version), &json!({ "value": value, "note": "because" })).send().await.unwrap();
        let etag = answer.headers()[header::ETAG].to_str().unwrap().to_owned();
        let reviewed: Value = answer.json().await.unwrap();
        assert_eq!(etag, format!("\"{}\"", version + 1));
        assert_eq!((&reviewed["accepted_value"], &reviewed["review_status"]), (&value, &json!(status)), "{reviewed}");
        assert_eq!((&reviewed["created"], &reviewed["is_current"], &reviewed["reviewer"]), (&json!(true), &json!(true), &json!("admin")));
    }
    let undone = expect_json(test.delete("colour", 4), 200).await;
    assert_eq!((&undone["accepted_value"], &undone["review_status"], &undone["version"]), (&json!(null), &json!("UNREVIEWED"), &json!(5)));
    assert_eq!(expect_json(test.delete("colour", 5), 409).await["code"], "nothing_to_undo");

    let history = test.app.api().json(&format!("{}/history", test.path("colour"))).await;
    let events = history["events"].as_array().unwrap();
    let statuses: Vec<String> = events.iter().map(|event| text(&event["review_status"])).collect();
    assert_eq!(statuses, ["OK", "CORRECTED", "REJECTED", "UNREVIEWED"]);
    assert!(events.iter().all(|event| event["actor"] == "admin" && event["source"] == "api" && event["erased"] == false), "{history}");
    assert_eq!((&events[1]["note"], &events[1]["value"]), (&json!("because"), &json!(["blue"])));
    assert!(events[3]["is_current"] == true && events[0].get("counted_as_of").is_none(), "{history}");
    assert_eq!((&history["predictions"][0]["value"], &history["texts"][0]["version"]), (&json!(["red"]), &json!(1)), "{history}");

    let corrected = &events[1];
    let times = [corrected["position"].to_string(), text(&corrected["recorded_at"])];
    for as_of in times {
        let then = test.app.api().json(&format!("{}/history?as_of={as_of}", test.path("colour"))).await;
        let counted: Vec<&Value> = then["events"].as_array().unwrap().iter().map(|event| &event["counted_as_of"]).collect();
        assert_eq!(counted, [false, true, false, false], "{as_of}: {then}");
        assert_eq!(then["as_of"], corrected["position"]);
    }
    assert_eq!(expect_json(test.app.api().get(&format!("{}/history?as_of=soon", test.path("colour"))), 422).await["code"], "invalid_query");
    test.app.finish().await;
}

#[tokio::test]
async fn a_review_of_another_version_is_rejected_with_the_current_one() {
    let test = ReviewTest::start().await;
    test.declare("size", &json!({ "kind": "text", "cardinality": "one" })).await;
    let none = test.app.api().json(&test.path("size")).await;
    assert_eq!((&none["version"], &none["review_status"]), (&json!(0), &json!("UNREVIEWED")));

    // without a review, the version may be omitted, and each way to state "no version yet" works
    let early = expect_json(test.put("size", Some(1), &json!({ "value": ["L"] })), 412).await;
    assert!(early["code"] == "version_mismatch" && early.get("current").is_none(), "{early}");
    let first = test.put("size", None, &json!({ "value": ["L"] })).header(header::IF_NONE_MATCH, "*");
    assert_eq!(expect_json(first, 200).await["version"], 1);
    let late = test.put("size", None, &json!({ "value": ["M"] })).header(header::IF_NONE_MATCH, "*");
    assert_eq!(expect_json(late, 412).await["current"]["version"], 1);
    assert_eq!(expect_json(test.put("size", Some(0), &json!({ "value": ["M"] })), 412).await["current"]["accepted_value"], json!(["L"]));
    let unnamed = expect_json(test.put("size", None, &json!({ "value": ["M"] })), 428).await;
    assert!(unnamed["code"] == "precondition_required" && text(&unnamed["detail"]).contains("version 1"), "{unnamed}");
    assert_eq!(expect_json(test.app.api().request(Method::DELETE, &test.path("size")), 428).await["code"], "precondition_required");
    assert_eq!(expect_json(test.delete("size", 7), 412).await["current"]["version"], 1);
    for bad in ["1", "W/1", "*"] {
        let request = test.put("size", None, &json!({ "value": ["M"] })).header(header::IF_MATCH, bad);
        assert_eq!(expect_json(request, 400).await["code"], "invalid_precondition", "{bad}");
    }
    test.declare("shape", &json!({ "kind": "text", "cardinality": "one" })).await;
    assert_eq!(expect_json(test.put("shape", Some(0), &json!({ "value": [] })), 200).await["review_status"], "MISSING");
    assert_eq!(test.app.count("SELECT count(*) FROM annotation_events").await, 2);
    test.app.finish().await;
}

#[tokio::test]
async fn an_invalid_value_is_rejected_with_the_reason() {
    let test = ReviewTest::start().await;
    test.declare("size", &json!({ "kind": "categorical", "cardinality": "one", "allowed_values": ["M", "L"] })).await;
    test.declare("signed", &json!({ "kind": "date", "cardinality": "many" })).await;
    test.declare("pages", &json!({ "kind": "number", "cardinality": "one" })).await;
    let far = "2999-01-01T00:00:00Z";
    for (field, body, code, message) in [
        ("size", json!({ "value": ["XL"] }), "invalid_review", "\"M\", \"L\""),
        ("size", json!({ "value": ["M", "L"] }), "invalid_review", "one value"),
        ("size", json!({ "value": ["M\u{0}"] }), "invalid_body", "NUL"),
        ("size", json!({ "value": [" "] }), "invalid_review", "empty"),
        ("signed", json!({ "value": ["1.2.2020"] }), "invalid_review", "YYYY-MM-DD"),
        ("pages", json!({ "value": ["three"] }), "invalid_review", "decimal number"),
        ("size", json!({ "value": ["M"], "occurred_at": far }), "invalid_review", "in the future"),
        ("size", json!({ "value": ["M"], "note": "x".repeat(10_001) }), "invalid_review", "note: "),
        ("size", json!({ "value": ["M"], "spans": [{ "start": 0, "end": 999_999 }] }), "invalid_review", "not a span"),
        ("size", json!({ "value": ["M"], "spans": [{ "start": 0, "end": 2, "text": "no" }] }), "invalid_review", "code points"),
        ("size", json!({ "value": [], "spans": [{ "start": 0, "end": 2 }] }), "invalid_review", "require a value"),
        ("size", json!({ "value": ["M"], "status": "OK" }), "status_contradicts", "it is NEW"),
        ("size", json!({ "value": ["M"], "status": "GOOD" }), "invalid_body", "unknown value"),
        ("size", json!({ "value": ["M"], "colour": 1 }), "invalid_body", "colour"),
        ("size", json!({ "note": "no value" }), "invalid_body", "value"),
    ] {
        let problem = expect_json(test.put(field, None, &body), 422).await;
        assert!(problem["code"] == code && text(&problem["detail"]).contains(message), "{body}: {problem}");
    }
    assert_eq!(test.app.count("SELECT count(*) FROM annotation_events").await, 0);
    assert_eq!(test.app.count("SELECT count(*) FROM annotations").await, 1, "a rejected review leaves no row");

    let spans = json!([{ "start": 0, "end": 2 }]);
    let good = expect_json(test.put("size", None, &json!({ "value": ["M"], "status": "NEW", "spans": spans })), 200).await;
    assert_eq!(good["spans"][0]["text"].as_str().map(|text| text.chars().count()), Some(2), "{good}");
    assert_eq!(expect_json(test.put("weight", None, &json!({ "value": [] })), 404).await["code"], "unknown_field");
    let nowhere = format!("/v1/documents/{}/annotations/size", Uuid::nil());
    for request in [test.app.api().get(&nowhere), test.app.api().get(&format!("{nowhere}/history"))] {
        assert_eq!(expect_json(request, 404).await["code"], "unknown_document");
    }
    assert_eq!(expect_json(test.app.api().get(&test.path("weight")), 404).await["code"], "unknown_field");
    let viewer = test.app.server.api_as(&test.app.env.create_key("viewer"));
    let forbidden = viewer.request(Method::PUT, &test.path("size")).json(&json!({ "value": [] }));
    assert_eq!(expect_json(forbidden, 403).await["code"], "forbidden");
    test.app.finish().await;
}

#[tokio::test]
async fn a_repeated_idempotency_key_with_the_same_review_changes_nothing() {
    let test = ReviewTest::start().await;
    let keyed = |version, body: &Value| test.put("colour", Some(version), body).header("idempotency-key", "one");
    let first = expect_json(keyed(1, &json!({ "value": ["blue"] })), 200).await;
    let again = expect_json(keyed(1, &json!({ "value": ["blue"] })), 200).await;
    assert_eq!((&first["created"], &again["created"]), (&json!(true), &json!(false)));
    assert_eq!((&first["event_position"], &first["version"]), (&again["event_position"], &again["version"]));
    assert_eq!(expect_json(keyed(2, &json!({ "value": ["green"] })), 422).await["code"], "idempotency_mismatch");

    let operator = test.app.server.api_as(&test.app.env.create_key("operator"));
    let other = operator.request(Method::PUT, &test.path("colour")).json(&json!({ "value": ["green"] }));
    let other = other.header(header::IF_MATCH, "\"2\"").header("idempotency-key", "one");
    assert_eq!(expect_json(other, 200).await["reviewer"], "operator", "keys of different clients are independent");
    assert_eq!(test.app.count("SELECT count(*) FROM annotation_events").await, 2);
    assert_eq!(test.app.count("SELECT count(*) FROM audit_log WHERE action = 'annotation.review'").await, 2);
    test.app.finish().await;
}

#[tokio::test]
async fn an_older_review_is_stored_and_does_not_become_current() {
    let test = ReviewTest::start().await;
    expect_json(test.put("colour", Some(1), &json!({ "value": ["blue"], "occurred_at": "2025-06-02T00:00:00Z" })), 200).await;
    let older = json!({ "value": ["green"], "occurred_at": "2025-06-01T00:00:00Z", "reviewer": "ana" });
    let older = expect_json(test.put("colour", Some(2), &older), 200).await;
    assert_eq!(
        (&older["is_current"], &older["accepted_value"], &older["version"]),
        (&json!(false), &json!(["blue"]), &json!(2)),
        "{older}"
    );
    let history = test.app.api().json(&format!("{}/history", test.path("colour"))).await;
    assert_eq!((&history["events"][1]["reviewer"], &history["events"][1]["is_current"]), (&json!("ana"), &json!(false)), "{history}");
    test.app.finish().await;
}

#[tokio::test]
async fn an_erased_document_cannot_be_reviewed_and_its_history_reports_the_erasure() {
    let test = ReviewTest::start().await;
    expect_json(test.put("colour", Some(1), &json!({ "value": ["blue"] })), 200).await;
    sqlx::query(
        "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
         SELECT id, 'ana', 'asked for', next_position(), 1, 1, 0 FROM documents",
    )
    .execute(test.app.pool())
    .await
    .unwrap();
    for request in
        [test.put("colour", Some(2), &json!({ "value": [] })), test.delete("colour", 2), test.app.api().get(&test.path("colour"))]
    {
        assert_eq!(expect_json(request, 410).await["code"], "document_erased");
    }
    let history = test.app.api().json(&format!("{}/history", test.path("colour"))).await;
    assert!(history["erased_at"].is_string() && history["events"].as_array().unwrap().len() == 1, "{history}");
    test.app.finish().await;
}
