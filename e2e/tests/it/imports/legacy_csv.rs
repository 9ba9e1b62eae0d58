//! Legacy review files on the command line and over HTTP.

use serde_json::{Value, json};

use crate::fixture::exports::{contracts, unreviewed};
use crate::fixture::{TestApp, expect_json, parse_id};

const REVIEWS: &str =
    "\u{feff}sep=;\r\nID;Colour_pred;Colour_gold;Colour_status\r\n1;red; Red ;OK\r\n2;red;blue;Corrigido\r\n3;;green;novo\r\n9;x;;\r\n";

#[tokio::test]
async fn a_review_file_is_scored_and_imported() {
    let app = TestApp::with_import(unreviewed(3)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("review.csv");
    std::fs::write(&file, REVIEWS).unwrap();
    let file = file.to_str().unwrap();

    let score = app.cli(&["eval", "--legacy-csv", file]);
    let colour = &score["fields"]["Colour"];
    assert_eq!((&colour["rows"], &colour["labelled"], &colour["correct"]), (&json!(4), &json!(3), &json!(1)), "{score}");
    assert_eq!(colour["coverage"], json!(0.75));
    let shown = app.env.cli(&app.server, &["eval", "--legacy-csv", file]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("0.333"), "{shown:?}");
    assert_eq!(app.count("SELECT count(*) FROM annotation_events").await, 0, "scoring changes nothing");

    let report = app.cli(&["ingest", "--legacy-csv", file]);
    assert_eq!((&report["rows_matched"], &report["events_created"], &report["quarantined"]), (&json!(3), &json!(3), &json!(1)), "{report}");
    assert_eq!(app.cli(&["ingest", "--legacy-csv", file])["events_created"], 0);
    let event: (String, String, bool) =
        sqlx::query_as("SELECT source, actor, occurred_at < clock_timestamp() FROM annotation_events ORDER BY position LIMIT 1")
            .fetch_one(app.pool())
            .await
            .unwrap();
    assert_eq!((event.0.as_str(), event.1.as_str(), event.2), ("legacy-csv", "admin", true));
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'import.legacy_csv'").await, 2);
    let shown = app.env.cli(&app.server, &["ingest", "--legacy-csv", file]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("Colour") && shown.contains("quarantined: row 4: there is no document `9`"), "{shown}");
    for bare in ["ingest", "eval"] {
        assert_eq!(app.env.cli(&app.server, &[bare]).status.code(), Some(2));
    }
    app.finish().await;
}

#[tokio::test]
async fn other_files_are_rejected_with_the_reason() {
    let app = TestApp::start().await;
    for route in ["/v1/imports/legacy-csv", "/v1/imports/legacy-csv/score"] {
        for (body, status, code) in [
            (b"".to_vec(), 422, "bad_header"),
            (b"id,name\n".to_vec(), 422, "bad_header"),
            (b"\xff\xfeI\0".to_vec(), 422, "not_text"),
            (b"z".repeat(2 << 20), 413, "too_large"),
        ] {
            let problem: Value = expect_json(app.api().post(route).body(body), status).await;
            assert_eq!(problem["code"], code, "{route}: {problem}");
        }
    }
    let future = app.api().post("/v1/imports/legacy-csv?reviewed_at=2999-01-01T00:00:00Z").body(REVIEWS);
    assert_eq!(expect_json(future, 422).await["code"], "invalid_query");
    app.finish().await;
}

#[tokio::test]
async fn the_child_run_of_a_review_file_uses_its_reviews() {
    let app = TestApp::with_import(contracts()).await;
    let parent = app.create_run(&json!({ "model": "contracts", "data": { "fields": ["contract_type"] } })).await;
    let worker = app.env.worker("worker", &[]);
    app.wait_for_success(parent).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("review.csv");
    let task: String = sqlx::query_scalar("SELECT task_id FROM documents ORDER BY id LIMIT 1").fetch_one(app.pool()).await.unwrap();
    std::fs::write(&file, format!("id,contract_type_gold\n{task},Quite another type\n")).unwrap();
    let later = ["--reviewed-at", "2026-06-01T00:00:00Z", "--training-run", &parent.to_string(), "--legacy-csv", file.to_str().unwrap()];
    let child = app.cli(&[["ingest"].as_slice(), &later].concat());
    let child = app.wait_for_success(parse_id(&child)).await;
    assert!(child["position"].as_i64().unwrap() > app.run(parent).await["position"].as_i64().unwrap(), "{child}");
    drop(worker);
    app.finish().await;
}
