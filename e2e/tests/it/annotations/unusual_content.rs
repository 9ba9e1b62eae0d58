//! Content that is stored as it is and must neither hide a document nor control a terminal: extreme numbers, escape sequences.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::exports::unreviewed;
use crate::fixture::{TestApp, expect_json, get_bytes, text};

#[tokio::test]
async fn a_document_with_the_largest_number_is_listed_shown_exported_and_imported_again() {
    let app = TestApp::start().await;
    let task = json!([{ "id": 1, "project": 1, "data": { "text": "a text", "largest": f64::MAX }, "annotations": [], "predictions": [] }]);
    app.import(task.to_string().into_bytes()).await;
    let listed = app.api().json("/v1/documents").await;
    assert_eq!(listed["items"][0]["metadata"]["largest"], json!(f64::MAX), "{listed}");
    let shown = app.api().json(&format!("/v1/documents/{}", text(&listed["items"][0]["id"]))).await;
    assert_eq!(shown["metadata"], listed["items"][0]["metadata"]);
    let exported = get_bytes(&app.api(), "/v1/annotations/export?format=label-studio").await;
    let tasks: Value = serde_json::from_slice(&exported).unwrap();
    assert_eq!(tasks[0]["data"]["largest"], json!(f64::MAX), "{tasks}");
    let again = app.import(exported).await;
    assert_eq!(again["documents_unchanged"], 1, "{again}");

    // PostgreSQL also stores numbers that no program can compute with
    app.execute("UPDATE documents SET metadata = jsonb_build_object('n', repeat('7', 400)::numeric)").await;
    let page = String::from_utf8(get_bytes(&app.api(), "/v1/documents").await).unwrap();
    assert!(page.contains(&"7".repeat(400)), "{page}");
    app.finish().await;
}

#[tokio::test]
async fn escape_sequences_in_stored_text_are_shown_and_not_sent_to_the_terminal() {
    let app = TestApp::with_import(unreviewed(1)).await;
    let document: String = sqlx::query_scalar("SELECT id::text FROM documents").fetch_one(app.pool()).await.unwrap();
    let path = format!("/v1/documents/{document}/annotations/colour");
    let body = json!({ "value": ["red\u{1b}[2J"], "note": "\u{1b}]0;title\u{7} \u{202e}desrever", "reviewer": "ana\u{9b}31m" });
    expect_json(app.api().request(Method::PUT, &path).header("if-match", "\"1\"").json(&body), 200).await;
    for arguments in [["document", "history", &document, "colour"].as_slice(), &["document", "lineage", &document], &["field", "list"]] {
        let output = app.env.cli(&app.server, arguments);
        let shown = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{arguments:?}: {shown:?}");
    }
    let output = app.env.cli(&app.server, &["document", "history", &document, "colour"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("\\u{1b}]0;title\\u{7} \\u{202e}desrever"));
    // an error of the server that quotes the argument
    let output = app.env.cli(&app.server, &["document", "history", &document, "\u{1b}[31mcolour"]);
    assert!(!output.status.success() && !output.stderr.contains(&0x1b), "{output:?}");
    // programs get the text unchanged
    let history = app.cli(&["document", "history", &document, "colour"]);
    assert!(history["events"].as_array().unwrap().iter().any(|event| event["note"] == body["note"]), "{history}");
    app.finish().await;
}
