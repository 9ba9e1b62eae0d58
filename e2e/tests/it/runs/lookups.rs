//! What users look up: documents, snapshots, wrong predictions, tags, metrics and files of a run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fixture::exports::contracts;
use crate::fixture::{TestApp, expect_json, text};

/// The output of the command line as text; it must succeed.
fn show(app: &TestApp, arguments: &[&str]) -> String {
    let output = app.env.cli(&app.server, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "aprendiz {arguments:?}: {text}");
    text
}

#[tokio::test]
async fn documents_errors_tags_snapshots_and_files_are_found() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker", &[]);
    let fields = json!(["contract_type", "type_of_contract_l1"]);
    let id = app.create_run(&json!({ "model": "contracts", "data": { "fields": fields } })).await;
    let run = app.wait_for_success(id).await;
    let (id, dataset) = (id.to_string(), text(&run["dataset_id"]));

    // wrong predictions agree with the metrics and with the predictions that the model carries
    let errors = app.cli(&["run", "errors", &id, "--limit", "1000"]);
    let metrics = app.api().json(&format!("/v1/training-runs/{id}/metrics")).await;
    let metric = |split: &str, field: Option<&str>, name: &str| {
        let found = metrics["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|metric| metric["split"] == split && metric["field"].as_str() == field && metric["name"] == name);
        found.unwrap_or_else(|| panic!("{split} {field:?} {name}: {metrics}"))["value"].as_f64().unwrap()
    };
    let items = errors["items"].as_array().unwrap();
    for field in ["contract_type", "type_of_contract_l1"] {
        let examples = metric("test", Some(field), "examples");
        let wrong = (examples * (1.0 - metric("test", Some(field), "accuracy"))).round();
        let listed = items.iter().filter(|error| error["field"] == field && error["split"] == "test").count();
        assert_eq!(listed as f64, wrong, "{field}: {errors}");
    }
    let on_test = items.iter().filter(|error| error["split"] == "test");
    let listed: BTreeSet<(String, String)> = on_test.map(|error| (text(&error["document_id"]), text(&error["field"]))).collect();
    let predictions = app.api().get(&format!("/v1/training-runs/{id}/model?file=test_predictions.jsonl")).send().await.unwrap();
    let predictions = predictions.text().await.unwrap();
    let wrong: BTreeSet<(String, String)> = predictions
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|prediction| prediction["gold"] != prediction["value"])
        .map(|prediction| (text(&prediction["document_id"]), text(&prediction["field"])))
        .collect();
    assert_eq!(listed, wrong);
    assert_eq!(metric("test", None, "errors"), wrong.len() as f64);
    let confidences: Vec<f64> = items.iter().map(|error| error["confidence"].as_f64().unwrap()).collect();
    assert!(confidences.is_sorted_by(|a, b| a >= b), "{confidences:?}");
    if let Some(error) = items.iter().find(|error| error["split"] == "test") {
        assert!(error["top"].as_array().is_some_and(|top| (1..=5).contains(&top.len())), "{error}");
        let name = format!("{}/{}/{}", text(&error["source"]), text(&error["project"]), text(&error["task_id"]));
        assert!(show(&app, &["run", "errors", &id]).contains(&name));
        // an erasure deletes the errors about its document
        show(&app, &["document", "erase", &name, "--reason", "request", "--yes"]);
        let left = app.cli(&["run", "errors", &id, "--limit", "1000"]);
        let left: Vec<&Value> =
            left["items"].as_array().unwrap().iter().filter(|left| left["document_id"] == error["document_id"]).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    // the stored predictions
    let evaluation = app.create_run(&json!({ "model": "contracts", "kind": "evaluate", "data": { "fields": fields } })).await;
    app.wait_for_success(evaluation).await;
    let evaluation = evaluation.to_string();
    let stored = app.cli(&["run", "errors", &evaluation, "--limit", "100000"]);
    let reviewed = app.api().json(&format!("/v1/training-runs/{evaluation}/metrics")).await;
    let value = |name: &str| {
        let of_all = |metric: &&Value| metric["field"].is_null() && metric["name"] == name;
        reviewed["items"].as_array().unwrap().iter().find(of_all).unwrap()["value"].as_f64().unwrap()
    };
    assert_eq!(value("errors"), (value("examples") * (1.0 - value("accuracy"))).round(), "{reviewed}");
    assert_eq!(stored["items"].as_array().unwrap().len() as f64, value("errors"));
    assert!(stored["items"].as_array().unwrap().iter().all(|error| error["split"] == "reviewed"));

    // metrics
    assert!(show(&app, &["run", "metrics", &id]).contains("contract_type"));
    assert!(show(&app, &["run", "metrics", &id, "--per-class", "--field", "contract_type"]).contains("support"));
    assert!(!show(&app, &["run", "metrics", &id, "--confusion", "contract_type"]).is_empty());

    // tags, notes, order
    assert_eq!(app.cli(&["run", "tag", &id, "stage=candidate", "data=spring"])["tags"], json!({ "data": "spring", "stage": "candidate" }));
    show(&app, &["run", "tag", &id, "data-"]);
    show(&app, &["run", "note", &id, "corrected dates"]);
    let shown = show(&app, &["run", "get", &id]);
    assert!(shown.contains("stage=candidate") && shown.contains("corrected dates"), "{shown}");
    let tagged = app.cli(&["run", "list", "--tag", "stage=candidate"]);
    assert_eq!((tagged.as_array().unwrap().len(), &tagged[0]["id"]), (1, &json!(id)));
    let sorted = app.cli(&["run", "list", "--sort", "metric:contract_type/accuracy"]);
    assert_eq!((&sorted[0]["id"], sorted.as_array().unwrap().len()), (&json!(id), 2));
    assert_eq!(sorted[0]["sort_value"], metric("test", Some("contract_type"), "accuracy"));
    expect_json(app.api().get("/v1/training-runs?sort=accuracy"), 422).await;

    // models
    show(&app, &["model", "tag", "contracts", "1", "stage=candidate"]);
    show(&app, &["model", "note", "contracts", "1", "approved"]);
    let versions = show(&app, &["model", "versions", "contracts"]);
    assert!(versions.contains("stage=candidate") && versions.contains("approved") && versions.contains("accuracy"), "{versions}");
    let model = &app.cli(&["model", "list"])[0];
    assert_eq!((&model["versions"], model["owner"].is_string()), (&json!(1), true), "{model}");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    show(&app, &["model", "download", "contracts", "--file", "config.json", "-d", &path("one")]);
    let config: Value = serde_json::from_slice(&std::fs::read(path("one/config.json")).unwrap()).unwrap();
    assert_eq!((config["kind"].as_str(), std::fs::read_dir(path("one")).unwrap().count()), (Some("linear"), 1));
    show(&app, &["model", "download", "contracts", "--tar", &path("model.tar")]);
    let archive = std::fs::read(path("model.tar")).unwrap();
    let by_run = app.api().get(&format!("/v1/training-runs/{id}/model")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(archive, by_run);
    let again = app.env.cli(&app.server, &["model", "download", "contracts", "--tar", &path("model.tar")]);
    assert!(!again.status.success());

    // snapshots
    let datasets = app.cli(&["dataset", "list"]);
    assert_eq!(
        (&datasets[0]["id"], &datasets[0]["latest_runs"], datasets[0]["erased_at"].is_null()),
        (&json!(dataset), &json!([id]), wrong.is_empty())
    );
    let built = app.cli(&["dataset", "build", "--fields", "contract_type"]);
    assert_eq!(built["dataset_only"], true);
    let built = app.wait_for_success(text(&built["id"]).parse().unwrap()).await;
    assert_eq!(app.cli(&["dataset", "list"])[0]["id"], built["dataset_id"]);
    expect_json(app.api().post("/v1/datasets").json(&json!({ "model": "m", "kind": "evaluate" })), 422).await;
    let problem = expect_json(app.api().get(&format!("/v1/training-runs/{}/errors", text(&built["id"]))), 409).await;
    assert_eq!(problem["code"], "errors_not_recorded", "{problem}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_document_is_listed_searched_and_shown_by_its_name() {
    let app = TestApp::start().await;
    let create = |task: &str, text: &str, client: &str| {
        let body = json!({ "project": "7", "task_id": task, "text": text, "file_name": format!("lease-{task}.txt"), "metadata": { "client": client } });
        app.api().post("/v1/documents").json(&body)
    };
    expect_json(create("1", "An agreement under the law of Texas.", "Acme"), 201).await;
    expect_json(create("2", "Another one, about a house in Utah.", "Bolt"), 201).await;
    show(&app, &["field", "declare", "law", "--kind", "categorical"]);
    show(&app, &["document", "annotate", "api/7/1", "law", "Texas"]);

    let tasks = |listed: Value| -> Vec<String> { listed.as_array().unwrap().iter().map(|document| text(&document["task_id"])).collect() };
    assert_eq!(tasks(app.cli(&["document", "list", "--project", "7"])), ["1", "2"]);
    assert_eq!(tasks(app.cli(&["document", "list", "--field", "law", "--value", "Texas"])), ["1"]);
    assert_eq!(tasks(app.cli(&["document", "list", "--reviewed", "false"])), ["2"]);
    assert_eq!(tasks(app.cli(&["document", "list", "--metadata", "client=Bolt", "--since", "1h"])), ["2"]);
    assert_eq!(tasks(app.cli(&["document", "search", "acme", "lea"])), ["1"]);
    assert_eq!(tasks(app.cli(&["document", "search", "--texts", "HOUSE IN"])), ["2"]);
    assert!(show(&app, &["document", "list"]).contains("api/7/1"));
    let overview = show(&app, &["document", "get", "api/7/1"]);
    assert!(overview.contains("Texas") && overview.contains("NEW") && overview.contains("(hash)"), "{overview}");
    assert_eq!(show(&app, &["document", "text", "api/7/1"]).trim_end(), "An agreement under the law of Texas.");

    let id = text(&app.cli(&["document", "get", "api/7/1"])["id"]);
    let response = app.api().get(&format!("/v1/documents/{id}/text")).header("range", "bytes=3-11").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (206, "text/plain; charset=utf-8"));
    assert_eq!(response.text().await.unwrap(), "agreement");
    expect_json(app.api().get(&format!("/v1/documents/{id}/text?version=2")), 404).await;
    let problem = expect_json(app.api().get("/v1/documents?metadata=client"), 422).await;
    assert!(text(&problem["detail"]).contains("KEY=VALUE"), "{problem}");
    expect_json(app.api().get("/v1/documents/search?q=%20"), 422).await;
    app.finish().await;
}
