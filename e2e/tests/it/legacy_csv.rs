//! The old pipeline's review files on the command line and over HTTP.

use serde_json::{Value, json};

use crate::export::{contracts, unreviewed};
use crate::site::{Site, answered, id_of};

const REVIEWS: &str =
    "\u{feff}sep=;\r\nID;Colour_pred;Colour_gold;Colour_status\r\n1;red; Red ;OK\r\n2;red;blue;Corrigido\r\n3;;green;novo\r\n9;x;;\r\n";

#[tokio::test]
async fn a_review_file_is_taken_in_and_scored_as_before() {
    let site = Site::with(unreviewed(3)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("review.csv");
    std::fs::write(&file, REVIEWS).unwrap();
    let file = file.to_str().unwrap();

    let score = site.cli(&["eval", "--legacy-csv", file]);
    let colour = &score["fields"]["Colour"];
    assert_eq!((&colour["rows"], &colour["labelled"], &colour["correct"]), (&json!(4), &json!(3), &json!(1)), "{score}");
    assert_eq!(colour["coverage"], json!(0.75));
    let shown = site.env.cli(&site.server, &["eval", "--legacy-csv", file]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("0.333"), "{shown:?}");
    assert_eq!(site.count("SELECT count(*) FROM annotation_events").await, 0, "scoring changes nothing");

    let report = site.cli(&["ingest", "--legacy-csv", file]);
    assert_eq!((&report["rows_matched"], &report["events_created"], &report["quarantined"]), (&json!(3), &json!(3), &json!(1)), "{report}");
    assert_eq!(site.cli(&["ingest", "--legacy-csv", file])["events_created"], 0);
    let event: (String, String, bool) =
        sqlx::query_as("SELECT source, actor, occurred_at < clock_timestamp() FROM annotation_events ORDER BY position LIMIT 1")
            .fetch_one(site.pool())
            .await
            .unwrap();
    assert_eq!((event.0.as_str(), event.1.as_str(), event.2), ("legacy-csv", "admin", true));
    assert_eq!(site.count("SELECT count(*) FROM audit_log WHERE action = 'import.legacy_csv'").await, 2);
    let shown = site.env.cli(&site.server, &["ingest", "--legacy-csv", file]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("Colour") && shown.contains("quarantined: row 4: there is no document `9`"), "{shown}");
    for bare in ["ingest", "eval"] {
        assert_eq!(site.env.cli(&site.server, &[bare]).status.code(), Some(2));
    }
    site.finish().await;
}

#[tokio::test]
async fn what_is_no_review_file_is_refused_with_the_reason() {
    let site = Site::start().await;
    for route in ["/v1/imports/legacy-csv", "/v1/imports/legacy-csv/score"] {
        for (body, status, code) in [
            (b"".to_vec(), 422, "bad_header"),
            (b"id,name\n".to_vec(), 422, "bad_header"),
            (b"\xff\xfeI\0".to_vec(), 422, "not_text"),
            (b"z".repeat(2 << 20), 413, "too_large"),
        ] {
            let problem: Value = answered(site.api().post(route).body(body), status).await;
            assert_eq!(problem["code"], code, "{route}: {problem}");
        }
    }
    let ahead = site.api().post("/v1/imports/legacy-csv?reviewed_at=2999-01-01T00:00:00Z").body(REVIEWS);
    assert_eq!(answered(ahead, 422).await["code"], "invalid_query");
    site.finish().await;
}

#[tokio::test]
async fn a_run_given_with_a_review_file_reads_what_it_brought() {
    let site = Site::with(contracts()).await;
    let parent = site.create_run(&json!({ "model": "contracts", "data": { "fields": ["contract_type"] } })).await;
    let worker = site.env.worker("worker", &[]);
    site.succeeded(parent).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("review.csv");
    let task: String = sqlx::query_scalar("SELECT task_id FROM documents ORDER BY id LIMIT 1").fetch_one(site.pool()).await.unwrap();
    std::fs::write(&file, format!("id,contract_type_gold\n{task},Quite another type\n")).unwrap();
    let later = ["--reviewed-at", "2026-06-01T00:00:00Z", "--training-run", &parent.to_string(), "--legacy-csv", file.to_str().unwrap()];
    let child = site.cli(&[["ingest"].as_slice(), &later].concat());
    let child = site.succeeded(id_of(&child)).await;
    assert!(child["position"].as_i64().unwrap() > site.run(parent).await["position"].as_i64().unwrap(), "{child}");
    drop(worker);
    site.finish().await;
}
