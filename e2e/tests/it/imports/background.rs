//! Background imports: the file is stored first and imported later, whether or not the client stays connected.

use aprendiz_test_support::wait_until;
use serde_json::{Value, json};

use crate::fixture::exports::{contracts, gzip, unreviewed};
use crate::fixture::{TIMEOUT, TestApp, expect_json, text};

/// Waits until an import has ended, with any status.
async fn wait_for_import(app: &TestApp, id: &str) -> Value {
    let path = format!("/v1/imports/{id}");
    wait_until("the import to end", TIMEOUT, async || {
        let state = app.api().json(&path).await;
        matches!(state["status"].as_str(), Some("succeeded" | "failed")).then_some(state)
    })
    .await
}

#[tokio::test]
async fn a_stored_file_is_imported_in_the_background() {
    let app = TestApp::start().await;
    let response =
        app.api().post("/v1/imports?background=true&file_name=c.json.gz&project=9").body(gzip(&contracts())).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let stored: Value = response.json().await.unwrap();
    let id = text(&stored["id"]);
    assert_eq!(location, format!("/v1/imports/{id}"));
    let state = wait_for_import(&app, &id).await;
    assert_eq!(
        (&state["status"], &state["file_name"], &state["report"]["documents_created"]),
        (&json!("succeeded"), &json!("c.json.gz"), &json!(90))
    );
    assert_eq!(app.count("SELECT count(*) FROM documents WHERE project = '9'").await, 90);
    // the next sweep deletes the file
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE key LIKE 'imports/%' AND state = 'pending'").await, 0);
    let listed = app.cli(&["imports", "list"]);
    assert_eq!(listed[0]["id"], json!(id), "{listed}");

    // a truncated file fails with the reason
    let cut = &contracts()[..5_000];
    let stored = expect_json(app.api().post("/v1/imports?background=true").body(cut.to_vec()), 202).await;
    let state = wait_for_import(&app, &text(&stored["id"])).await;
    assert_eq!((&state["status"], &state["error_code"]), (&json!("failed"), &json!("truncated")), "{state}");

    let file = app.env.folder().join("more.json");
    std::fs::write(&file, unreviewed(120)).unwrap();
    let report = app.cli(&["import", file.to_str().unwrap(), "--background", "--wait", "--project", "10"]);
    assert_eq!(report["documents_created"], 120, "{report}");
    app.finish().await;
}

#[tokio::test]
async fn an_import_with_options_of_a_newer_server_fails_and_names_them() {
    let app = TestApp::start().await;
    // a newer server stores an option that this one does not know
    app.execute(
        r#"CREATE FUNCTION newer() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN NEW.options = NEW.options || '{"dedupe": true}'; RETURN NEW; END $$;
           CREATE TRIGGER newer BEFORE INSERT ON import_requests FOR EACH ROW EXECUTE FUNCTION newer()"#,
    )
    .await;
    let stored = expect_json(app.api().post("/v1/imports?background=true&project=9").body(unreviewed(2)), 202).await;
    let state = wait_for_import(&app, &text(&stored["id"])).await;
    assert_eq!((&state["status"], &state["error_code"]), (&json!("failed"), &json!("unknown_options")), "{state}");
    assert!(text(&state["error"]).contains("`dedupe`"), "{state}");
    assert_eq!(app.count("SELECT count(*) FROM documents").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn quarantined_tasks_are_listed_downloaded_and_retried() {
    let app = TestApp::start().await;
    let export = json!([{ "id": 1, "data": { "body": "The law of Texas." } }, { "id": 2, "data": { "text": "Another." } }]);
    let report = expect_json(app.api().post("/v1/imports").body(export.to_string()), 201).await;
    assert_eq!((&report["quarantined"], &report["documents_created"]), (&json!(1), &json!(1)));
    let id = text(&report["import_id"]);
    let listed = app.cli(&["imports", "quarantine", &id]);
    assert!(text(&listed[0]["reason"]).contains("data.text"), "{listed}");
    let file = app.env.folder().join("quarantined.json");
    app.cli(&["imports", "quarantine", &id, "--tasks", file.to_str().unwrap()]);
    let tasks: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(tasks, json!([export[0]]));
    let again = app.cli(&["imports", "retry", &id, "--text-key", "body"]);
    assert_eq!((&again["quarantined"], &again["documents_created"]), (&json!(0), &json!(1)), "{again}");
    expect_json(app.api().post(&format!("/v1/imports/{}/retry", text(&again["import_id"]))), 409).await;
    app.finish().await;
}
