//! Exports of annotations over HTTP and on the command line, and their import elsewhere.

use serde_json::{Value, json};

use crate::fixture::exports::{contracts, reviewed};
use crate::fixture::{TestApp, expect_json, get_bytes, parse_exported_rows, parse_json_lines, text};

#[tokio::test]
async fn an_export_reports_its_position_and_resumes_after_any_row() {
    let app = TestApp::with_import(contracts()).await;
    let whole = app.api().get("/v1/annotations/export").send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "application/x-ndjson");
    assert!(whole.headers()["content-disposition"].to_str().unwrap().contains("annotations.jsonl"));
    let position = whole.headers()["aprendiz-position"].to_str().unwrap().to_owned();
    let whole = parse_exported_rows(&whole.bytes().await.unwrap());
    let annotations = app.count("SELECT count(*) FROM annotations").await;
    assert_eq!(i64::try_from(whole.len()).unwrap(), annotations);
    let statuses: i64 = app.count("SELECT count(*) FROM annotations WHERE review_status = 'CORRECTED'").await;
    assert_eq!(whole.iter().filter(|row| row["review_status"] == "CORRECTED").count(), usize::try_from(statuses).unwrap());

    // a review in between does not change the rest, which is as of the same position
    let middle = &whole[whole.len() / 2];
    let (document, field) = (text(&middle["document_id"]), text(&middle["field"]));
    let path = format!("/v1/documents/{document}/annotations/{field}");
    let version = app.api().json(&path).await["version"].to_string();
    let review = app.api().request(reqwest::Method::PUT, &path).header("if-match", format!("\"{version}\"")).json(&json!({ "value": [] }));
    expect_json(review, 200).await;
    let rest = get_bytes(&app.api(), &format!("/v1/annotations/export?as_of={position}&after={document}/{field}")).await;
    assert!(parse_exported_rows(&rest) == whole[whole.len() / 2 + 1..]);
    let first = parse_exported_rows(&get_bytes(&app.api(), &format!("/v1/annotations/export?as_of={position}&limit=7")).await);
    assert!(first == whole[..7]);
    let of_field = parse_exported_rows(&get_bytes(&app.api(), "/v1/annotations/export?fields=contract_type").await);
    assert!(!of_field.is_empty() && of_field.iter().all(|row| row["field"] == "contract_type"));

    for (query, code) in [
        ("fields=unheard", "unknown_field"),
        ("after=here", "invalid_query"),
        ("as_of=soon", "invalid_query"),
        ("as_of=-4800-01-01T00:00:00Z", "invalid_query"),
        ("as_of=1763715600", "invalid_query"),
        ("as_of=9999-12-31T23:59:59Z", "future_time"),
        ("format=xml", "invalid_query"),
        ("colour=red", "invalid_query"),
    ] {
        assert_eq!(expect_json(app.api().get(&format!("/v1/annotations/export?{query}")), 422).await["code"], code, "{query}");
    }
    app.finish().await;
}

#[tokio::test]
async fn tasks_exported_for_label_studio_are_imported_unchanged() {
    let app = TestApp::with_import(contracts()).await;
    let tasks = get_bytes(&app.api(), "/v1/annotations/export?format=label-studio").await;
    let listed: Vec<Value> = serde_json::from_slice(&tasks).unwrap();
    assert_eq!(i64::try_from(listed.len()).unwrap(), app.count("SELECT count(*) FROM documents").await);
    let other = TestApp::with_import(tasks.clone()).await;
    for query in [
        "SELECT count(*) FROM documents",
        "SELECT count(*) FROM annotation_events",
        "SELECT count(*) FROM extractions",
        "SELECT count(*) FROM annotations WHERE review_status = 'OK'",
        "SELECT count(*) FROM annotations WHERE review_status = 'CORRECTED'",
        "SELECT count(*) FROM annotations WHERE review_status = 'REJECTED'",
        "SELECT count(*) FROM annotations WHERE spans IS NOT NULL",
    ] {
        assert_eq!(app.count(query).await, other.count(query).await, "{query}");
    }
    let digest =
        "SELECT md5(string_agg(concat(d.task_id, a.field, a.accepted_value, a.predicted_value, a.review_status, a.reviewer, a.spans), '|'
                         ORDER BY d.task_id, a.field)) FROM annotations a JOIN documents d ON d.id = a.document_id";
    let content = async |app: &TestApp| sqlx::query_scalar::<_, String>(digest).fetch_one(app.pool()).await.unwrap();
    assert_eq!(content(&app).await, content(&other).await);
    let again = app.import(tasks).await;
    assert_eq!((&again["events_created"], &again["documents_created"]), (&json!(0), &json!(0)));

    let predictions: Vec<Value> =
        serde_json::from_slice(&get_bytes(&app.api(), "/v1/annotations/export?format=label-studio-predictions").await).unwrap();
    assert!(!predictions.is_empty() && predictions.iter().all(|task| task.get("annotations").is_none()), "{}", predictions[0]);
    let none = get_bytes(&app.api(), "/v1/annotations/export?format=label-studio&source=api").await;
    assert_eq!(serde_json::from_slice::<Value>(&none).unwrap(), json!([]));
    other.finish().await;
    app.finish().await;
}

#[tokio::test]
async fn the_command_line_writes_complete_files_or_none() {
    let app = TestApp::with_import(reviewed(40, |number| if number % 2 == 0 { "red" } else { "blue" })).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let export = app.cli(&["annotations", "export", "--to", &path("all.jsonl")]);
    assert!(export["position"].as_i64().unwrap() > 0, "{export}");
    let rows = parse_json_lines(&std::fs::read(path("all.jsonl")).unwrap());
    assert_eq!(rows.len(), 40);
    assert_eq!((&rows[0]["events"][0]["value"], &rows[0]["review_status"]), (&rows[0]["accepted_value"], &json!("NEW")));
    let again = app.env.cli(&app.server, &["annotations", "export", "--to", &path("all.jsonl")]);
    assert!(again.status.code() == Some(2) && String::from_utf8_lossy(&again.stderr).contains("already exists"));
    let refused = app.env.cli(&app.server, &["annotations", "export", "--to", &path("none.jsonl"), "--fields", "unheard"]);
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a failed export leaves no file");

    let piped = app.env.cli(&app.server, &["annotations", "export", "--limit", "3"]);
    assert_eq!(parse_json_lines(&piped.stdout), rows[..3]);
    app.cli(&["annotations", "export", "--format", "parquet", "--to", &path("all.parquet")]);
    let parquet = std::fs::read(path("all.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    app.cli(&["annotations", "export", "--format", "label-studio", "--to", &path("tasks.json")]);
    for (format, file) in [("label-studio", "empty.json"), ("jsonl", "empty.jsonl")] {
        let empty = app.env.cli(&app.server, &["annotations", "export", "--format", format, "--project", "99", "--to", &path(file)]);
        let remark = String::from_utf8_lossy(&empty.stderr).into_owned();
        assert!(empty.status.success() && remark.contains("nothing was exported, because no document matches"), "{remark}");
    }
    assert_eq!(app.cli(&["import", &path("tasks.json")])["documents_unchanged"], 40);
    app.finish().await;
}
