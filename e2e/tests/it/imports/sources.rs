//! Two Label Studio servers with the same project and task numbers, dry runs, and imports that are taken back.

use serde_json::{Value, json};

use crate::fixture::exports::{contracts, reviewed};
use crate::fixture::{TestApp, expect_json, get_bytes, text};

/// The export of another server: the same numbers, other texts, another label.
fn other_server(documents: u64) -> Vec<u8> {
    let mut tasks: Vec<Value> = serde_json::from_slice(&reviewed(documents, |_| "blue")).expect("an export is JSON");
    for task in &mut tasks {
        let other: Vec<String> = text(&task["data"]["text"]).split(' ').map(|word| word.replace("word", "other")).collect();
        task["data"]["text"] = json!(other.join(" "));
    }
    serde_json::to_vec(&tasks).expect("JSON can be written")
}

#[tokio::test]
async fn two_servers_with_the_same_numbers_are_kept_apart() {
    let app = TestApp::with_import(reviewed(12, |_| "red")).await;
    let file = app.env.folder().join("other.json");
    std::fs::write(&file, other_server(12)).unwrap();
    let file = file.to_str().unwrap();

    // every task is quarantined: the report is printed, and the command fails
    let output = app.env.cli(&app.server, &["import", file, "-o", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let refused: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&refused["other_documents"], &refused["documents_updated"]), (&json!(12), &json!(0)), "{refused}");
    assert!(refused["warnings"].to_string().contains("12 of 12 known tasks have a wholly different text"), "{refused}");
    let dry = app.cli(&["import", file, "--source", "second", "--dry-run"]);
    assert_eq!((&dry["dry_run"], &dry["documents_created"]), (&json!(true), &json!(12)), "{dry}");
    assert_eq!(app.count("SELECT count(*) FROM documents").await, 12);
    let second = app.cli(&["import", file, "--source", "second", "--background", "--wait"]);
    assert_eq!(
        (&second["source"], &second["documents_created"], &second["splits"]),
        (&json!("second"), &json!(12), &dry["splits"]),
        "{second}"
    );
    let listed = app.cli(&["imports", "list"]);
    assert_eq!((&listed[0]["source"], &listed[1]["source"]), (&json!("second"), &json!("label-studio")), "{listed}");
    assert!(app.cli(&["document", "explain", "second/1/3"]).is_object());
    expect_json(app.api().post("/v1/imports?source=a%2Fb").body(other_server(1)), 422).await;

    // a task file has one source
    let problem = expect_json(app.api().get("/v1/annotations/export?format=label-studio&project=1"), 422).await;
    assert_eq!(problem["code"], "ambiguous_source", "{problem}");
    let tasks: Vec<Value> =
        serde_json::from_slice(&get_bytes(&app.api(), "/v1/annotations/export?format=label-studio&source=second").await).unwrap();
    assert!(tasks.len() == 12 && text(&tasks[0]["data"]["text"]).contains("other"), "{tasks:?}");

    // the command line names the projects that a run learns from
    let output = app.env.cli(&app.server, &["run", "create", "--model", "m"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("2 projects: label-studio/1, second/1"), "{errors}");
    let run = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    expect_json(app.api().post(&format!("/v1/training-runs/{run}/cancel")), 200).await;
    let preview = app.cli(&["run", "create", "--model", "m", "--source", "second", "--dry-run"]);
    assert_eq!(preview["projects"], json!([{ "source": "second", "project": "1", "examples": 12 }]), "{preview}");
    assert!(preview["fields"]["colour"]["reason"].is_string() && preview["estimated_seconds"].is_null(), "{preview}");
    assert_eq!(app.count("SELECT count(*) FROM training_runs").await, 1, "a dry run creates none");

    // taking the second import back leaves the first as it was
    let id = text(&second["import_id"]);
    let dry = app.cli(&["imports", "revert", &id, "--dry-run"]);
    assert_eq!((&dry["documents_withdrawn"], &dry["dry_run"]), (&json!(12), &json!(true)), "{dry}");
    for _ in 0..2 {
        let reverted = app.cli(&["imports", "revert", &id, "--reason", "wrong server"]);
        assert_eq!((&reverted["documents_withdrawn"], &reverted["documents_left"]), (&json!(12), &json!(0)), "{reverted}");
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'import.revert'").await, 1);
    let tasks: Vec<Value> = serde_json::from_slice(&get_bytes(&app.api(), "/v1/annotations/export?format=label-studio").await).unwrap();
    assert_eq!(tasks.len(), 12, "only one source has documents");
    let again = app.cli(&["import", file, "--source", "second"]);
    assert_eq!(again["documents_restored"], 12, "{again}");
    app.finish().await;
}

#[tokio::test]
async fn a_snapshot_keeps_what_was_reverted_and_archived_later() {
    let app = TestApp::with_import(contracts()).await;
    let import: String = sqlx::query_scalar("SELECT id::text FROM imports").fetch_one(app.pool()).await.unwrap();
    let worker = app.env.worker("worker", &[]);
    let spec = json!({ "model": "contracts", "data": { "fields": ["contract_type"] } });
    let run = app.create_run(&spec).await;
    let run = app.wait_for_success(run).await;
    drop(worker);
    let dataset = text(&run["dataset_id"]);
    let preview = expect_json(app.api().post("/v1/training-runs/preview").json(&spec), 200).await;
    let total =
        |preview: &Value| ["train", "validation", "test"].map(|split| preview["examples"][split].as_i64().unwrap()).iter().sum::<i64>();
    assert_eq!(total(&preview), app.count("SELECT examples::bigint FROM datasets").await, "{preview}");
    assert!(preview["estimated_seconds"].as_f64().unwrap() > 0.0, "{preview}");

    let project: String = sqlx::query_scalar("SELECT source || '/' || project FROM documents LIMIT 1").fetch_one(app.pool()).await.unwrap();
    let archived = app.cli(&["project", "archive", &project, "--reason", "sample"]);
    assert_eq!(archived["documents"], 90, "{archived}");
    assert_eq!(total(&expect_json(app.api().post("/v1/training-runs/preview").json(&spec), 200).await), 0);
    assert_eq!(app.cli(&["dataset", "verify", &dataset])["verdict"], "same");
    assert_eq!(app.cli(&["project", "unarchive", &project])["documents"], 90);
    let one: String =
        sqlx::query_scalar("SELECT source || '/' || project || '/' || task_id FROM documents LIMIT 1").fetch_one(app.pool()).await.unwrap();
    assert_eq!(app.cli(&["document", "archive", &one])["documents"], 1);
    assert_eq!(app.cli(&["document", "unarchive", &one])["documents"], 1);
    assert_eq!(expect_json(app.api().post("/v1/training-runs/preview").json(&spec), 200).await["examples"], preview["examples"]);

    app.cli(&["imports", "revert", &import]);
    let verified = app.cli(&["dataset", "verify", &dataset]);
    assert_eq!((&verified["verdict"], &verified["withdrawn_imports"][0]["import_id"]), (&json!("same"), &json!(import)), "{verified}");
    let report = app.cli(&["dataset", "report", &dataset]);
    assert!(report["withdrawn_imports"][0]["documents"].as_i64().unwrap() > 0, "{report}");
    app.finish().await;
}

#[tokio::test]
async fn a_normalization_is_previewed() {
    let app = TestApp::with_import(reviewed(12, |number| if number % 2 == 0 { "Red" } else { "blue" })).await;
    app.cli(&["field", "declare", "colour", "--kind", "categorical", "--alias", "Red=red"]);
    let dry = app.cli(&["field", "normalize", "colour", "--dry-run"]);
    assert_eq!((&dry["values"], &dry["dry_run"]), (&json!(1), &json!(true)), "{dry}");
    assert_eq!(dry["changes"][0], json!({ "from": ["Red"], "to": ["red"], "reviews": 6, "predictions": 0 }), "{dry}");
    assert_eq!(app.count("SELECT count(*) FROM annotations WHERE accepted_value = '{Red}'").await, 6);
    assert_eq!(app.cli(&["field", "normalize", "colour", "--yes"])["reviews"], 6);
    app.finish().await;
}
