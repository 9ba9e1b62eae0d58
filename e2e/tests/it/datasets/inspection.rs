//! Dataset snapshots: verification, comparison, report, lineage, and what an erasure leaves of them.

use aprendiz_test_support::wait_until;
use serde_json::{Value, json};

use crate::fixture::exports::contracts;
use crate::fixture::{TIMEOUT, TestApp, expect_json, objects, text};

/// Environment of a server that sweeps every second.
const SWEEP: &[(&str, &str)] = &[("APRENDIZ_SWEEP_EVERY_SECONDS", "1")];

/// Starts, imports the sample and trains a model; returns the run.
async fn start_trained() -> (TestApp, Value) {
    let app = TestApp::start_with(&[], SWEEP).await;
    app.import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let run = app.create_run(&json!({ "model": "contracts", "data": { "fields": ["contract_type", "type_of_contract_l1"] } })).await;
    let run = app.wait_for_success(run).await;
    drop(worker);
    (app, run)
}

/// The output of the command line, which must exit with this code.
fn run_cli(app: &TestApp, arguments: &[&str], code: i32) -> String {
    let output = app.env.cli(&app.server, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "aprendiz {arguments:?}: {text}");
    text
}

#[tokio::test]
async fn a_snapshot_is_verified_compared_reported_and_traced() {
    let (app, run) = start_trained().await;
    let (run_id, dataset) = (text(&run["id"]), text(&run["dataset_id"]));

    let verified = app.cli(&["dataset", "verify", &run_id, "--files"]);
    assert_eq!((&verified["verdict"], &verified["dataset_id"]), (&json!("same"), &json!(dataset)), "{verified}");
    let files = verified["files"].as_array().unwrap();
    assert!(files.len() > 5 && files.iter().all(|file| file["state"] == "same"), "{verified}");
    // without files nothing is read from the bucket
    assert!(expect_json(app.api().post(&format!("/v1/datasets/{dataset}/verify")), 200).await["files"].is_null());

    let diff = app.cli(&["dataset", "diff", &dataset, &run_id]);
    assert_eq!((&diff["summary"]["same_content"], &diff["changes"]), (&json!(true), &json!([])), "{diff}");
    let report = app.cli(&["dataset", "report", &dataset]);
    assert!(report["fields"]["type_of_contract_l1"]["labels"].as_array().unwrap().len() > 1, "{report}");
    let lineage = app.cli(&["dataset", "lineage", &dataset]);
    assert_eq!((&lineage["runs"][0]["id"], &lineage["versions"][0]["number"]), (&json!(run_id), &json!(1)), "{lineage}");
    let model = app.cli(&["model", "lineage", "contracts", "1"]);
    assert_eq!((&model["run"]["id"], &model["dataset"]["reviewers"]), (&json!(run_id), &lineage["reviewers"]), "{model}");

    // the events of all values, page by page
    let values: i64 = lineage["reviewers"].as_array().unwrap().iter().map(|reviewer| reviewer["values"].as_i64().unwrap()).sum();
    let (mut events, mut cursor) = (0, String::new());
    loop {
        let page = app.api().json(&format!("/v1/datasets/{dataset}/events?limit=100{cursor}")).await;
        events += page["items"].as_array().unwrap().len();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(i64::try_from(events).unwrap(), values);

    // text output works for each command
    for command in [&["dataset", "diff", &dataset, &dataset][..], &["dataset", "report", &dataset], &["dataset", "lineage", &dataset]] {
        assert!(!run_cli(&app, command, 0).is_empty());
    }

    // a file that was changed in the bucket
    let key = app.env.bucket.keys().await.into_iter().find(|key| key.ends_with("README.md") && key.starts_with("datasets/")).unwrap();
    let client = app.env.bucket.client();
    app.put_object(&key, b"changed").await;
    let output = run_cli(&app, &["dataset", "verify", &dataset, "--files"], 1);
    assert!(output.contains("README.md: other_size") && output.contains("1 file of the snapshot differs"), "{output}");
    client.delete_object().bucket(app.env.bucket.name()).key(&key).send().await.unwrap();
    let output = run_cli(&app, &["dataset", "verify", &dataset, "--files"], 1);
    assert!(output.contains("README.md: missing"), "{output}");

    let api = app.api();
    let nil = uuid::Uuid::nil();
    for path in [format!("/v1/datasets/{nil}/report"), format!("/v1/datasets/{nil}/lineage"), format!("/v1/datasets/{dataset}/diff/{nil}")]
    {
        assert_eq!(expect_json(api.get(&path), 404).await["code"], "not_found", "{path}");
    }
    assert_eq!(expect_json(api.post(&format!("/v1/datasets/{nil}/verify")), 404).await["code"], "not_found");
    for list in ["events", "conflicts", &format!("diff/{dataset}")] {
        let problem = expect_json(api.get(&format!("/v1/datasets/{dataset}/{list}?cursor=zz")), 422).await;
        assert_eq!(problem["code"], "invalid_query", "{list}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_erasure_deletes_a_document_everywhere_and_keeps_the_proof() {
    let (app, run) = start_trained().await;
    let dataset = text(&run["dataset_id"]);
    let api = app.api();
    let events = api.json(&format!("/v1/datasets/{dataset}/events?limit=1")).await;
    let document = text(&events["items"][0]["document_id"]);
    let shown = api.json(&format!("/v1/documents/{document}")).await;
    let name = format!("{}/{}/{}", text(&shown["source"]), text(&shown["project"]), text(&shown["task_id"]));
    let before = app.cli(&["document", "lineage", &name]);
    assert_eq!((&before["retire"][0]["number"], &before["erased"]), (&json!(1), &Value::Null), "{before}");
    assert_eq!((&before["document"], &before["document_id"]), (&json!(name), &json!(document)), "{before}");
    // people see the name that they typed, also if they typed the id
    for argument in [&name, &document] {
        let shown = run_cli(&app, &["document", "lineage", argument], 0);
        assert!(shown.starts_with(&format!("document {name}\n")), "{shown}");
    }

    // an erasure needs a confirmation, a reason and an administrator
    assert!(run_cli(&app, &["document", "erase", &name, "--reason", "x"], 2).contains("--yes"));
    let path = format!("/v1/documents/{document}/erase");
    assert_eq!(expect_json(api.post(&path).json(&json!({ "reason": " " })), 422).await["code"], "invalid_reason");
    assert_eq!(expect_json(api.post(&path).json(&json!({ "reason": "x".repeat(1001) })), 422).await["code"], "invalid_reason");
    let operator = app.server.api_as(&app.env.create_key("operator"));
    assert_eq!(expect_json(operator.post(&path).json(&json!({ "reason": "x" })), 403).await["code"], "forbidden");
    let unknown = format!("/v1/documents/{}/erase", uuid::Uuid::nil());
    assert_eq!(expect_json(api.post(&unknown).json(&json!({ "reason": "x" })), 404).await["code"], "unknown_document");

    let erased = app.cli(&["document", "erase", &name, "--reason", "request 2026-113", "--yes"]);
    assert_eq!((&erased["document_id"], &erased["datasets"], &erased["erased_before"]), (&json!(document), &json!(1), &json!(false)));
    assert_eq!(erased["lineage"]["retire"], before["retire"], "the retire list is the same before and after");
    assert_eq!(erased["proof"][0]["sha256"], shown["checksum"]);
    let again = expect_json(api.post(&path).json(&json!({ "reason": "another" })), 200).await;
    assert_eq!((&again["erased_before"], &again["reason"]), (&json!(true), &json!("request 2026-113")));
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'document.erase'").await, 1);

    for gone in [format!("/v1/documents/{document}"), format!("/v1/documents/{document}/annotations")] {
        let problem = expect_json(api.get(&gone), 410).await;
        assert_eq!(problem["code"], "document_erased");
        assert!(text(&problem["detail"]).contains("by admin: request 2026-113"), "{problem}");
    }
    let run_id = text(&run["id"]);
    for gone in [
        format!("/v1/training-runs/{run_id}/dataset"),
        format!("/training-runs/{run_id}/dataset"),
        format!("/v1/datasets/{dataset}/files/README.md"),
        format!("/v1/datasets/{dataset}/report"),
        format!("/v1/datasets/{dataset}/conflicts"),
        format!("/v1/datasets/{dataset}/diff/{dataset}"),
    ] {
        assert_eq!(expect_json(api.get(&gone), 410).await["code"], "dataset_erased", "{gone}");
    }
    assert!(api.json(&format!("/v1/datasets/{dataset}")).await["erased_at"].is_string());
    let output = run_cli(&app, &["dataset", "verify", &dataset, "--files"], 1);
    assert!(output.contains("erased: a document in it was erased") && output.contains("request 2026-113"), "{output}");
    assert!(run_cli(&app, &["dataset", "lineage", &dataset], 0).contains("its files were deleted"));
    assert!(run_cli(&app, &["document", "lineage", &document], 0).contains("erased at"));

    wait_until("a bucket without the snapshot", TIMEOUT, async || {
        app.env.bucket.keys().await.iter().all(|key| !key.starts_with("datasets/")).then_some(())
    })
    .await;
    objects::check(&app).await;
    app.finish().await;
}
