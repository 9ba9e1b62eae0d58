//! Single documents over HTTP and on the command line, and the history of field definitions.

use reqwest::{Method, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::{reviewed, unreviewed};
use crate::fixture::{TestApp, expect_json, parse_id, text};

#[tokio::test]
async fn metadata_keeps_all_digits_and_html_is_reported() {
    let app = TestApp::start().await;
    let metadata = r#"{"nfe": 35230212345678901234550010000000011000000019, "max": 1.7976931348623157e308, "pi": 3.14159265358979323846}"#;
    let body = format!(r#"{{"project":"p","task_id":"1","text":"<p>a <b>contract</b> of few words</p>","metadata":{metadata}}}"#);
    let create = || app.api().post("/v1/documents").header(header::CONTENT_TYPE, "application/json").body(body.clone());
    let created = create().send().await.unwrap();
    assert_eq!(created.status(), 201);
    let location = created.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let created = created.text().await.unwrap();
    assert!(created.contains("the text is HTML"), "{created}");
    let shown = app.api().get(&location).send().await.unwrap().text().await.unwrap();
    let listed = app.api().get("/v1/documents").send().await.unwrap().text().await.unwrap();
    for text in [&created, &shown, &listed] {
        for digits in ["35230212345678901234550010000000011000000019", "3.14159265358979323846", "\"max\": 17976931348623157000"] {
            assert!(text.contains(digits), "{digits}: {text}");
        }
    }
    assert_eq!(expect_json(create(), 200).await["warnings"].as_array().unwrap().len(), 1, "the same request again changes nothing");
    app.finish().await;
}

#[tokio::test]
async fn a_single_document_is_created_once() {
    let app = TestApp::start().await;
    let body =
        json!({ "project": "p", "task_id": "1", "text": "a contract of few words", "file_name": "a.txt", "metadata": { "pages": 3 } });
    let create = |body: &Value| app.api().post("/v1/documents").json(body);
    let answer = create(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let document: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/v1/documents/{}", parse_id(&document)));
    assert_eq!((&document["source"], &document["metadata"], &document["text_version"]), (&json!("api"), &json!({ "pages": 3 }), &json!(1)));
    assert!(document["split"].is_string(), "{document}");
    assert_eq!(app.api().json(&location).await, document);
    assert_eq!(expect_json(create(&body), 200).await["id"], document["id"], "the same request again changes nothing");

    let with = |key: &str, value: Value| {
        let mut body = body.clone();
        body[key] = value;
        body
    };
    for (key, value) in [("text", json!("another text")), ("file_name", json!("b.txt")), ("metadata", json!({}))] {
        assert_eq!(expect_json(create(&with(key, value)), 409).await["code"], "document_exists", "{key}");
    }
    for (key, value) in [("text", json!(" \n")), ("source", json!("a/b")), ("project", json!("")), ("task_id", json!("x".repeat(201)))] {
        let problem = expect_json(create(&with(key, value)), 422).await;
        assert!(problem["code"] == "invalid_document" && text(&problem["detail"]).starts_with(key), "{problem}");
    }
    for (key, value) in [("text", json!("a\u{0}")), ("metadata", json!({ "a": ["\u{0}"] }))] {
        let problem = expect_json(create(&with(key, value)), 422).await;
        assert!(problem["code"] == "invalid_body" && text(&problem["detail"]).contains("NUL"), "{problem}");
    }
    assert_eq!(expect_json(create(&with("words", json!(1))), 422).await["code"], "invalid_body");
    assert_eq!(expect_json(create(&with("metadata", json!([1]))), 422).await["code"], "invalid_body");
    let twin = expect_json(create(&with("task_id", json!("2"))), 201).await;
    assert_eq!(twin["split"], document["split"], "equal texts share a split");
    assert_eq!(app.count("SELECT count(*) FROM document_details").await, 2);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'document.create'").await, 2);

    sqlx::query(
        "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
         SELECT id, 'ana', 'asked for', next_position(), 1, 0, 0 FROM documents WHERE task_id = '2'",
    )
    .execute(app.pool())
    .await
    .unwrap();
    assert_eq!(expect_json(create(&with("task_id", json!("2"))), 410).await["code"], "document_erased");
    app.finish().await;
}

#[tokio::test]
async fn every_definition_of_a_field_is_listed_with_its_actor() {
    let app = TestApp::with_import(reviewed(1, |_| "red")).await;
    let definition = json!({ "kind": "categorical", "cardinality": "one", "allowed_values": ["red", "blue"] });
    for _ in 0..2 {
        let field = expect_json(app.api().request(Method::PUT, "/v1/fields/colour").json(&definition), 200).await;
        assert_eq!(field["version"], 2, "{field}");
    }
    let history = app.api().json("/v1/fields/colour/history").await;
    let versions = history["items"].as_array().unwrap();
    assert_eq!(versions.len(), 2, "{history}");
    assert_eq!((&versions[0]["actor"], &versions[1]["actor"]), (&json!("import"), &json!("admin")));
    assert_eq!(versions[1]["allowed_values"], json!(["red", "blue"]));
    assert_eq!(expect_json(app.api().get("/v1/fields/unheard/history"), 404).await["code"], "not_found");
    app.finish().await;
}

#[tokio::test]
async fn the_command_line_creates_annotates_and_explains_documents() {
    let app = TestApp::with_import(unreviewed(1)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contract.txt");
    let words = "This agreement between the parties named above shall be governed by the laws of the State of Texas";
    std::fs::write(&file, words).unwrap();
    let file = file.to_str().unwrap();
    let created = app.cli(&["document", "create", file, "--project", "p", "--task", "1", "--metadata", r#"{"pages": 1}"#]);
    assert_eq!((&created["file_name"], &created["metadata"]["pages"]), (&json!("contract.txt"), &json!(1)), "{created}");
    let twin = app.cli(&["document", "create", file, "--project", "p", "--task", "2"]);

    let explained = app.cli(&["document", "explain", "api/p/2"]);
    assert_eq!(explained, app.api().json(&format!("/v1/documents/{}/explain", parse_id(&twin))).await);
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
    assert_eq!(expect_json(app.api().get(&nowhere), 404).await["code"], "unknown_document");

    let annotate = |arguments: &[&str]| app.cli(&[&["document", "annotate", "api/p/1", "colour"], arguments].concat());
    assert_eq!(annotate(&["blue", "--note", "as page 1 says"])["review_status"], "NEW");
    assert_eq!(annotate(&["--no-value", "--reviewer", "ana"])["review_status"], "MISSING");
    assert_eq!(app.cli(&["document", "clear", "api/p/1", "colour", "--if-version", "2"])["version"], 3);
    let stale = app.env.cli(&app.server, &["document", "annotate", "api/p/1", "colour", "red", "--if-version", "2"]);
    let errors = String::from_utf8_lossy(&stale.stderr).into_owned();
    assert!(stale.status.code() == Some(3) && errors.contains("version 3 now"), "{errors}");

    let history = app.cli(&["document", "history", "api/p/1", "colour"]);
    let position = history["events"][1]["position"].to_string();
    let then = app.cli(&["document", "history", "api/p/1", "colour", "--as-of", &position]);
    assert_eq!((&then["events"][1]["counted_as_of"], &then["events"][1]["reviewer"]), (&json!(true), &json!("ana")), "{then}");
    let shown = app.env.cli(&app.server, &["document", "history", "api/p/1", "colour"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("as page 1 says") && shown.contains("cleared") && shown.contains("current"), "{shown}");
    app.finish().await;
}
