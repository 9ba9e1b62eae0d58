//! Imports in the background: stored first, carried out afterwards, also when whoever began is gone.

use serde_json::{Value, json};
use test_support::wait_until;

use crate::export::{contracts, gzip, unreviewed};
use crate::site::{PATIENCE, Site, answered, text};

async fn ended(site: &Site, id: &str) -> Value {
    let path = format!("/v1/imports/{id}");
    wait_until("the import to end", PATIENCE, async || {
        let state = site.api().json(&path).await;
        matches!(state["status"].as_str(), Some("succeeded" | "failed")).then_some(state)
    })
    .await
}

#[tokio::test]
async fn a_file_is_stored_answered_with_202_and_then_imported() {
    let site = Site::start().await;
    let answer =
        site.api().post("/v1/imports?background=true&file_name=c.json.gz&project=9").body(gzip(&contracts())).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let stored: Value = answer.json().await.unwrap();
    let id = text(&stored["id"]);
    assert_eq!(location, format!("/v1/imports/{id}"));
    let state = ended(&site, &id).await;
    assert_eq!(
        (&state["status"], &state["file_name"], &state["report"]["documents_created"]),
        (&json!("succeeded"), &json!("c.json.gz"), &json!(90))
    );
    assert_eq!(site.count("SELECT count(*) FROM documents WHERE project = '9'").await, 90);
    // the file goes away with the next round of the sweeper
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE key LIKE 'imports/%' AND state = 'pending'").await, 0);
    let listed = site.cli(&["imports", "list"]);
    assert_eq!(listed[0]["id"], json!(id), "{listed}");

    // a bad file fails with its reason, and nothing of it is kept
    let cut = &contracts()[..5_000];
    let stored = answered(site.api().post("/v1/imports?background=true").body(cut.to_vec()), 202).await;
    let state = ended(&site, &text(&stored["id"])).await;
    assert_eq!((&state["status"], &state["error_code"]), (&json!("failed"), &json!("truncated")), "{state}");

    let file = site.env.folder().join("more.json");
    std::fs::write(&file, unreviewed(120)).unwrap();
    let report = site.cli(&["import", file.to_str().unwrap(), "--background", "--project", "10"]);
    assert_eq!(report["documents_created"], 120, "{report}");
    site.finish().await;
}

#[tokio::test]
async fn the_quarantine_is_listed_downloaded_and_tried_again() {
    let site = Site::start().await;
    let export = json!([{ "id": 1, "data": { "body": "The law of Texas." } }, { "id": 2, "data": { "text": "Another." } }]);
    let report = answered(site.api().post("/v1/imports").body(export.to_string()), 201).await;
    assert_eq!((&report["quarantined"], &report["documents_created"]), (&json!(1), &json!(1)));
    let id = text(&report["import_id"]);
    let listed = site.cli(&["imports", "quarantine", &id]);
    assert!(text(&listed[0]["reason"]).contains("data.text"), "{listed}");
    let file = site.env.folder().join("quarantined.json");
    site.cli(&["imports", "quarantine", &id, "--tasks", file.to_str().unwrap()]);
    let tasks: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(tasks, json!([export[0]]));
    let again = site.cli(&["imports", "retry", &id, "--text-key", "body"]);
    assert_eq!((&again["quarantined"], &again["documents_created"]), (&json!(0), &json!(1)), "{again}");
    answered(site.api().post(&format!("/v1/imports/{}/retry", text(&again["import_id"]))), 409).await;
    site.finish().await;
}
