//! One field of one document over HTTP and on the command line: what is said about it, what is refused, and its history.

use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::export::{reviewed, unreviewed};
use crate::site::{Site, answered, id_of, text};

/// A site with one document that an extractor has seen; its field `colour` is predicted as `red`.
struct Reviewing {
    site: Site,
    document: Uuid,
}

impl Reviewing {
    async fn start() -> Self {
        let site = Site::with(unreviewed(1)).await;
        let document = sqlx::query_scalar("SELECT id FROM documents").fetch_one(site.pool()).await.unwrap();
        Self { site, document }
    }

    fn path(&self, field: &str) -> String {
        format!("/v1/documents/{}/annotations/{field}", self.document)
    }

    fn put(&self, field: &str, version: Option<u32>, body: &Value) -> RequestBuilder {
        let request = self.site.api().request(Method::PUT, &self.path(field)).json(body);
        match version {
            Some(version) => request.header(header::IF_MATCH, format!("\"{version}\"")),
            None => request,
        }
    }

    fn delete(&self, field: &str, version: u32) -> RequestBuilder {
        self.site.api().request(Method::DELETE, &self.path(field)).header(header::IF_MATCH, format!("\"{version}\""))
    }

    async fn declare(&self, field: &str, definition: &Value) {
        answered(self.site.api().request(Method::PUT, &format!("/v1/fields/{field}")).json(definition), 200).await;
    }
}

#[tokio::test]
async fn a_field_is_reviewed_corrected_rejected_and_undone() {
    let it = Reviewing::start().await;
    let shown = it.site.api().get(&it.path("colour")).send().await.unwrap();
    assert_eq!(shown.headers()[header::ETAG], "\"1\"");
    let state: Value = shown.json().await.unwrap();
    assert_eq!((&state["predicted_value"], &state["review_status"]), (&json!(["red"]), &json!("UNREVIEWED")), "{state}");

    for (version, value, status) in [(1, json!(["red"]), "OK"), (2, json!(["blue"]), "CORRECTED"), (3, json!([]), "REJECTED")] {
        let answer = it.put("colour", Some(version), &json!({ "value": value, "note": "because" })).send().await.unwrap();
        let etag = answer.headers()[header::ETAG].to_str().unwrap().to_owned();
        let reviewed: Value = answer.json().await.unwrap();
        assert_eq!(etag, format!("\"{}\"", version + 1));
        assert_eq!((&reviewed["accepted_value"], &reviewed["review_status"]), (&value, &json!(status)), "{reviewed}");
        assert_eq!((&reviewed["created"], &reviewed["is_current"], &reviewed["reviewer"]), (&json!(true), &json!(true), &json!("admin")));
    }
    let undone = answered(it.delete("colour", 4), 200).await;
    assert_eq!((&undone["accepted_value"], &undone["review_status"], &undone["version"]), (&json!(null), &json!("UNREVIEWED"), &json!(5)));
    assert_eq!(answered(it.delete("colour", 5), 409).await["code"], "nothing_to_undo");

    let history = it.site.api().json(&format!("{}/history", it.path("colour"))).await;
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
        let then = it.site.api().json(&format!("{}/history?as_of={as_of}", it.path("colour"))).await;
        let counted: Vec<&Value> = then["events"].as_array().unwrap().iter().map(|event| &event["counted_as_of"]).collect();
        assert_eq!(counted, [false, true, false, false], "{as_of}: {then}");
        assert_eq!(then["as_of"], corrected["position"]);
    }
    assert_eq!(answered(it.site.api().get(&format!("{}/history?as_of=soon", it.path("colour"))), 422).await["code"], "invalid_query");
    it.site.finish().await;
}

#[tokio::test]
async fn who_has_seen_another_version_is_told_the_one_there_is() {
    let it = Reviewing::start().await;
    it.declare("size", &json!({ "kind": "text", "cardinality": "one" })).await;
    let none = it.site.api().json(&it.path("size")).await;
    assert_eq!((&none["version"], &none["review_status"]), (&json!(0), &json!("UNREVIEWED")));

    // nothing has been said: a version may be left out, and each way to say "none yet" works
    let early = answered(it.put("size", Some(1), &json!({ "value": ["L"] })), 412).await;
    assert!(early["code"] == "version_mismatch" && early.get("current").is_none(), "{early}");
    let first = it.put("size", None, &json!({ "value": ["L"] })).header(header::IF_NONE_MATCH, "*");
    assert_eq!(answered(first, 200).await["version"], 1);
    let late = it.put("size", None, &json!({ "value": ["M"] })).header(header::IF_NONE_MATCH, "*");
    assert_eq!(answered(late, 412).await["current"]["version"], 1);
    assert_eq!(answered(it.put("size", Some(0), &json!({ "value": ["M"] })), 412).await["current"]["accepted_value"], json!(["L"]));
    let unnamed = answered(it.put("size", None, &json!({ "value": ["M"] })), 428).await;
    assert!(unnamed["code"] == "precondition_required" && text(&unnamed["detail"]).contains("\"1\""), "{unnamed}");
    assert_eq!(answered(it.site.api().request(Method::DELETE, &it.path("size")), 428).await["code"], "precondition_required");
    assert_eq!(answered(it.delete("size", 7), 412).await["current"]["version"], 1);
    for bad in ["1", "W/\"1\"", "*"] {
        let request = it.put("size", None, &json!({ "value": ["M"] })).header(header::IF_MATCH, bad);
        assert_eq!(answered(request, 400).await["code"], "invalid_precondition", "{bad}");
    }
    it.declare("shape", &json!({ "kind": "text", "cardinality": "one" })).await;
    assert_eq!(answered(it.put("shape", Some(0), &json!({ "value": [] })), 200).await["review_status"], "MISSING");
    assert_eq!(it.site.count("SELECT count(*) FROM annotation_events").await, 2);
    it.site.finish().await;
}

#[tokio::test]
async fn a_value_that_cannot_be_is_refused_with_the_reason() {
    let it = Reviewing::start().await;
    it.declare("size", &json!({ "kind": "categorical", "cardinality": "one", "allowed_values": ["M", "L"] })).await;
    it.declare("signed", &json!({ "kind": "date", "cardinality": "many" })).await;
    it.declare("pages", &json!({ "kind": "number", "cardinality": "one" })).await;
    let far = "2999-01-01T00:00:00Z";
    for (field, body, code, words) in [
        ("size", json!({ "value": ["XL"] }), "invalid_review", "\"M\", \"L\""),
        ("size", json!({ "value": ["M", "L"] }), "invalid_review", "one value"),
        ("size", json!({ "value": ["M\u{0}"] }), "invalid_review", "NUL"),
        ("size", json!({ "value": [" "] }), "invalid_review", "empty"),
        ("signed", json!({ "value": ["1.2.2020"] }), "invalid_review", "YYYY-MM-DD"),
        ("pages", json!({ "value": ["three"] }), "invalid_review", "decimal number"),
        ("size", json!({ "value": ["M"], "occurred_at": far }), "invalid_review", "ahead of the clock"),
        ("size", json!({ "value": ["M"], "note": "x".repeat(10_001) }), "invalid_review", "note: "),
        ("size", json!({ "value": ["M"], "spans": [{ "start": 0, "end": 999_999 }] }), "invalid_review", "not a span"),
        ("size", json!({ "value": ["M"], "spans": [{ "start": 0, "end": 2, "text": "no" }] }), "invalid_review", "code points"),
        ("size", json!({ "value": [], "spans": [{ "start": 0, "end": 2 }] }), "invalid_review", "require a value"),
        ("size", json!({ "value": ["M"], "status": "OK" }), "status_contradicts", "it is NEW"),
        ("size", json!({ "value": ["M"], "status": "GOOD" }), "invalid_body", "unknown variant"),
        ("size", json!({ "value": ["M"], "colour": 1 }), "invalid_body", "colour"),
        ("size", json!({ "note": "no value" }), "invalid_body", "value"),
    ] {
        let problem = answered(it.put(field, None, &body), 422).await;
        assert!(problem["code"] == code && text(&problem["detail"]).contains(words), "{body}: {problem}");
    }
    assert_eq!(it.site.count("SELECT count(*) FROM annotation_events").await, 0);
    assert_eq!(it.site.count("SELECT count(*) FROM annotations").await, 1, "what was refused leaves no row that holds a place");

    let spans = json!([{ "start": 0, "end": 2 }]);
    let good = answered(it.put("size", None, &json!({ "value": ["M"], "status": "NEW", "spans": spans })), 200).await;
    assert_eq!(good["spans"][0]["text"].as_str().map(|text| text.chars().count()), Some(2), "{good}");
    assert_eq!(answered(it.put("weight", None, &json!({ "value": [] })), 404).await["code"], "unknown_field");
    let nowhere = format!("/v1/documents/{}/annotations/size", Uuid::nil());
    for request in [it.site.api().get(&nowhere), it.site.api().get(&format!("{nowhere}/history"))] {
        assert_eq!(answered(request, 404).await["code"], "unknown_document");
    }
    assert_eq!(answered(it.site.api().get(&it.path("weight")), 404).await["code"], "unknown_field");
    let viewer = it.site.server.api_as(&it.site.env.create_key("viewer"));
    let forbidden = viewer.request(Method::PUT, &it.path("size")).json(&json!({ "value": [] }));
    assert_eq!(answered(forbidden, 403).await["code"], "forbidden");
    it.site.finish().await;
}

#[tokio::test]
async fn the_same_key_and_review_again_change_nothing() {
    let it = Reviewing::start().await;
    let keyed = |version, body: &Value| it.put("colour", Some(version), body).header("idempotency-key", "one");
    let first = answered(keyed(1, &json!({ "value": ["blue"] })), 200).await;
    let again = answered(keyed(1, &json!({ "value": ["blue"] })), 200).await;
    assert_eq!((&first["created"], &again["created"]), (&json!(true), &json!(false)));
    assert_eq!((&first["event_position"], &first["version"]), (&again["event_position"], &again["version"]));
    assert_eq!(answered(keyed(2, &json!({ "value": ["green"] })), 422).await["code"], "idempotency_mismatch");

    let operator = it.site.server.api_as(&it.site.env.create_key("operator"));
    let other = operator.request(Method::PUT, &it.path("colour")).json(&json!({ "value": ["green"] }));
    let other = other.header(header::IF_MATCH, "\"2\"").header("idempotency-key", "one");
    assert_eq!(answered(other, 200).await["reviewer"], "operator", "the key of another client is another key");
    assert_eq!(it.site.count("SELECT count(*) FROM annotation_events").await, 2);
    assert_eq!(it.site.count("SELECT count(*) FROM audit_log WHERE action = 'annotation.review'").await, 2);
    it.site.finish().await;
}

#[tokio::test]
async fn an_older_review_is_kept_and_does_not_become_current() {
    let it = Reviewing::start().await;
    answered(it.put("colour", Some(1), &json!({ "value": ["blue"], "occurred_at": "2025-06-02T00:00:00Z" })), 200).await;
    let older = json!({ "value": ["green"], "occurred_at": "2025-06-01T00:00:00Z", "reviewer": "ana" });
    let older = answered(it.put("colour", Some(2), &older), 200).await;
    assert_eq!(
        (&older["is_current"], &older["accepted_value"], &older["version"]),
        (&json!(false), &json!(["blue"]), &json!(2)),
        "{older}"
    );
    let history = it.site.api().json(&format!("{}/history", it.path("colour"))).await;
    assert_eq!((&history["events"][1]["reviewer"], &history["events"][1]["is_current"]), (&json!("ana"), &json!(false)), "{history}");
    it.site.finish().await;
}

#[tokio::test]
async fn nothing_can_be_said_about_an_erased_document_and_its_history_says_so() {
    let it = Reviewing::start().await;
    answered(it.put("colour", Some(1), &json!({ "value": ["blue"] })), 200).await;
    sqlx::query(
        "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
         SELECT id, 'ana', 'asked for', next_position(), 1, 1, 0 FROM documents",
    )
    .execute(it.site.pool())
    .await
    .unwrap();
    for request in [it.put("colour", Some(2), &json!({ "value": [] })), it.delete("colour", 2), it.site.api().get(&it.path("colour"))] {
        assert_eq!(answered(request, 410).await["code"], "document_erased");
    }
    let history = it.site.api().json(&format!("{}/history", it.path("colour"))).await;
    assert!(history["erased_at"].is_string() && history["events"].as_array().unwrap().len() == 1, "{history}");
    it.site.finish().await;
}

#[tokio::test]
async fn a_document_is_taken_in_by_itself_once() {
    let site = Site::start().await;
    let body =
        json!({ "project": "p", "task_id": "1", "text": "a contract of few words", "file_name": "a.txt", "metadata": { "pages": 3 } });
    let create = |body: &Value| site.api().post("/v1/documents").json(body);
    let answer = create(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let document: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/v1/documents/{}", id_of(&document)));
    assert_eq!((&document["source"], &document["metadata"], &document["text_version"]), (&json!("api"), &json!({ "pages": 3 }), &json!(1)));
    assert!(document["split"].is_string(), "{document}");
    assert_eq!(site.api().json(&location).await, document);
    assert_eq!(answered(create(&body), 200).await["id"], document["id"], "the same again changes nothing");

    let with = |key: &str, value: Value| {
        let mut body = body.clone();
        body[key] = value;
        body
    };
    for (key, value) in [("text", json!("another text")), ("file_name", json!("b.txt")), ("metadata", json!({}))] {
        assert_eq!(answered(create(&with(key, value)), 409).await["code"], "document_exists", "{key}");
    }
    for (key, value) in [
        ("text", json!(" \n")),
        ("text", json!("a\u{0}")),
        ("source", json!("a/b")),
        ("project", json!("")),
        ("task_id", json!("x".repeat(201))),
        ("metadata", json!({ "a": ["\u{0}"] })),
    ] {
        let problem = answered(create(&with(key, value)), 422).await;
        assert!(problem["code"] == "invalid_document" && text(&problem["detail"]).starts_with(key), "{problem}");
    }
    assert_eq!(answered(create(&with("words", json!(1))), 422).await["code"], "invalid_body");
    let twin = answered(create(&with("task_id", json!("2"))), 201).await;
    assert_eq!(twin["split"], document["split"], "equal texts share a split");
    assert_eq!(site.count("SELECT count(*) FROM document_details").await, 2);
    assert_eq!(site.count("SELECT count(*) FROM audit_log WHERE action = 'document.create'").await, 2);

    sqlx::query(
        "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
         SELECT id, 'ana', 'asked for', next_position(), 1, 0, 0 FROM documents WHERE task_id = '2'",
    )
    .execute(site.pool())
    .await
    .unwrap();
    assert_eq!(answered(create(&with("task_id", json!("2"))), 410).await["code"], "document_erased");
    site.finish().await;
}

#[tokio::test]
async fn every_definition_of_a_field_is_listed_with_its_actor() {
    let site = Site::with(reviewed(1, |_| "red")).await;
    let definition = json!({ "kind": "categorical", "cardinality": "one", "allowed_values": ["red", "blue"] });
    for _ in 0..2 {
        let field = answered(site.api().request(Method::PUT, "/v1/fields/colour").json(&definition), 200).await;
        assert_eq!(field["version"], 2, "{field}");
    }
    let history = site.api().json("/v1/fields/colour/history").await;
    let versions = history["items"].as_array().unwrap();
    assert_eq!(versions.len(), 2, "{history}");
    assert_eq!((&versions[0]["actor"], &versions[1]["actor"]), (&json!("import"), &json!("admin")));
    assert_eq!(versions[1]["allowed_values"], json!(["red", "blue"]));
    assert_eq!(answered(site.api().get("/v1/fields/unheard/history"), 404).await["code"], "not_found");
    site.finish().await;
}

#[tokio::test]
async fn the_command_line_takes_in_annotates_and_tells_why() {
    let site = Site::with(unreviewed(1)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contract.txt");
    let words = "This agreement between the parties named above shall be governed by the laws of the State of Texas";
    std::fs::write(&file, words).unwrap();
    let file = file.to_str().unwrap();
    let created = site.cli(&["document", "create", file, "--project", "p", "--task", "1", "--metadata", r#"{"pages": 1}"#]);
    assert_eq!((&created["file_name"], &created["metadata"]["pages"]), (&json!("contract.txt"), &json!(1)), "{created}");
    let twin = site.cli(&["document", "create", file, "--project", "p", "--task", "2"]);

    let explained = site.cli(&["document", "explain", "api/p/2"]);
    assert_eq!(explained, site.api().json(&format!("/v1/documents/{}/explain", id_of(&twin))).await);
    assert_eq!(
        (&explained["splits"][0]["reason"], &explained["near_duplicates"][0]["task_id"]),
        (&json!("inherited"), &json!("1")),
        "{explained}"
    );
    assert_eq!(explained["near_duplicates"][0]["equal_text"], true);
    assert!(
        explained["in_words"].as_array().unwrap().iter().any(|sentence| text(sentence).contains("inherited the group and split")),
        "{explained}"
    );
    let nowhere = format!("/v1/documents/{}/explain", Uuid::nil());
    assert_eq!(answered(site.api().get(&nowhere), 404).await["code"], "unknown_document");

    let annotate = |arguments: &[&str]| site.cli(&[&["document", "annotate", "api/p/1", "colour"], arguments].concat());
    assert_eq!(annotate(&["blue", "--note", "as page 1 says"])["review_status"], "NEW");
    assert_eq!(annotate(&["--no-value", "--reviewer", "ana"])["review_status"], "MISSING");
    assert_eq!(annotate(&["--undo", "--if-version", "2"])["version"], 3);
    let stale = site.env.cli(&site.server, &["document", "annotate", "api/p/1", "colour", "red", "--if-version", "2"]);
    let said = String::from_utf8_lossy(&stale.stderr).into_owned();
    assert!(stale.status.code() == Some(3) && said.contains("version 3 now"), "{said}");

    let history = site.cli(&["document", "history", "api/p/1", "colour"]);
    let position = history["events"][1]["position"].to_string();
    let then = site.cli(&["document", "history", "api/p/1", "colour", "--as-of", &position]);
    assert_eq!((&then["events"][1]["counted_as_of"], &then["events"][1]["reviewer"]), (&json!(true), &json!("ana")), "{then}");
    let shown = site.env.cli(&site.server, &["document", "history", "api/p/1", "colour"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("as page 1 says") && shown.contains("undone") && shown.contains("current"), "{shown}");
    site.finish().await;
}
