//! Runs of kind `predict`: predictions of a published version are stored for documents, reviewed and exported.

use aprendiz_test_gate::Point;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::two_kinds;
use crate::fixture::{Hold, TIMEOUT, TestApp, expect_json, get_bytes, parse_id, text};

const LABELS: [&str; 2] = ["lease", "supply"];

/// A project of documents without reviews.
fn unreviewed_kinds(project: u64, texts: u64) -> Vec<u8> {
    let mut tasks: Vec<Value> = serde_json::from_slice(&two_kinds(project, texts, LABELS)).unwrap();
    tasks.iter_mut().for_each(|task| task["annotations"] = json!([]));
    serde_json::to_vec(&tasks).unwrap()
}

/// Version 1 of the model `m`, 66 reviewed documents and 10 others. The version has learned from the reviewed ones only.
async fn with_version(app: &TestApp) {
    app.import(two_kinds(1, 66, LABELS)).await;
    let id = app.create_run(&json!({ "model": "m" })).await;
    app.wait_for_success(id).await;
    app.import(unreviewed_kinds(2, 10)).await;
}

fn prediction(params: Value) -> Value {
    json!({ "kind": "predict", "model": "m", "model_version": 1, "params": params })
}

/// The predictions of a run with their times.
async fn stored(app: &TestApp, run: Uuid) -> Vec<(Uuid, String)> {
    sqlx::query_as("SELECT document_id, predicted_at::text FROM extractions WHERE run_id = $1 ORDER BY document_id")
        .bind(run)
        .fetch_all(app.pool())
        .await
        .unwrap()
}

async fn metric(app: &TestApp, run: Uuid, name: &str) -> Value {
    let metrics = app.api().json(&format!("/v1/training-runs/{run}/metrics")).await;
    let found = metrics["items"].as_array().unwrap().iter().find(|metric| metric["name"] == name && metric["field"].is_null()).cloned();
    found.unwrap_or_else(|| panic!("no metric {name}: {metrics}"))
}

#[tokio::test]
async fn a_killed_worker_leaves_its_batches_and_another_one_predicts_the_rest() {
    let app = TestApp::start().await;
    let mut first = app.env.worker("worker-1", &[]);
    with_version(&app).await;
    let hold = Hold::at(&app, Point::AfterCheckpoint(2));
    let id = app.create_run(&prediction(json!({ "batch_documents": 20 }))).await;
    hold.wait_until_reached().await;
    let before = stored(&app, id).await;
    assert_eq!(before.len(), 40);
    first.kill();
    first.wait(TIMEOUT).await;
    drop(hold);
    app.expire_lease(id).await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;

    assert_eq!(app.attempt_statuses(id).await, ["lost", "succeeded"]);
    let after = stored(&app, id).await;
    assert_eq!(after.len(), 76);
    assert_eq!(after[..40], before[..], "what the first attempt stored is not predicted again");
    assert_eq!(app.count("SELECT count(*) FROM extractions WHERE extractor_version = 'm@1'").await, 76);
    let documents = metric(&app, id, "documents").await;
    assert_eq!((documents["value"].as_f64(), &documents["details"]["predicted_earlier"]), (Some(76.0), &json!(40)), "{documents}");
    assert_eq!(metric(&app, id, "n").await["value"].as_f64(), Some(76.0));
    let explained = app.api().json(&format!("/v1/training-runs/{id}/explain")).await;
    assert!(text(&explained["summary"]).contains("m version 1 has predicted"), "{explained}");

    // the numbers are those of a prediction on request
    let (document, value, confidence): (Uuid, Vec<String>, f64) =
        sqlx::query_as("SELECT document_id, value, confidence FROM extractions WHERE run_id = $1 ORDER BY document_id LIMIT 1")
            .bind(id)
            .fetch_one(app.pool())
            .await
            .unwrap();
    let read: String =
        sqlx::query_scalar("SELECT text FROM document_texts WHERE document_id = $1").bind(document).fetch_one(app.pool()).await.unwrap();
    let asked = expect_json(app.api().post("/v1/models/m/predict").json(&json!({ "text": read, "number": 1 })), 200).await;
    let asked = &asked["predictions"][0]["fields"][0];
    assert_eq!((&asked["value"], asked["confidence"].as_f64()), (&json!(value), Some(confidence)), "{asked}");

    // another run of the version has nothing to do
    let again = app.create_run(&prediction(json!({}))).await;
    app.wait_for_success(again).await;
    assert_eq!((stored(&app, again).await.len(), stored(&app, id).await), (0, after));
    assert_eq!(metric(&app, again, "n").await["value"].as_f64(), Some(76.0));

    // reviewers and exports use the predictions, and the score of the extractor does not
    let waiting = app.api().json("/v1/annotations/waiting?order=uncertain&extractor_version=m@1").await;
    let items = waiting["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["extractor_version"]), (10, &json!("m@1")), "{waiting}");
    assert!(items.iter().map(|item| item["confidence"].as_f64().unwrap()).is_sorted(), "{waiting}");
    let other = app.api().json("/v1/annotations/waiting?extractor_version=m@2").await;
    assert_eq!(other["items"], json!([]));
    let export = "/v1/annotations/export?format=label-studio-predictions&project=2&extractor_version=m@1";
    let tasks: Value = serde_json::from_slice(&get_bytes(&app.api(), export).await).unwrap();
    assert_eq!((tasks.as_array().unwrap().len(), &tasks[0]["predictions"][0]["model_version"]), (10, &json!("m@1")), "{tasks}");
    // the file comes back from Label Studio with one score per document, which replaces nothing
    app.import(serde_json::to_vec(&tasks).unwrap()).await;
    assert_eq!(app.count("SELECT count(*) FROM extractions WHERE extractor_version = 'm@1' AND run_id IS NULL").await, 0);
    let evaluated = app.create_run(&json!({ "kind": "evaluate", "model": "m" })).await;
    app.wait_for_success(evaluated).await;
    assert_eq!(metric(&app, evaluated, "prediction_coverage").await["value"].as_f64(), Some(0.0));
    drop(second);
    app.finish().await;
}

#[tokio::test]
async fn a_run_predicts_its_selection_until_it_is_cancelled_and_leaves_erased_documents_out() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker-1", &[]);
    with_version(&app).await;
    let api = app.api();
    let erased: Uuid =
        sqlx::query_scalar("SELECT id FROM documents WHERE project = '2' ORDER BY id LIMIT 1").fetch_one(app.pool()).await.unwrap();
    expect_json(api.post(&format!("/v1/documents/{erased}/erase")).json(&json!({ "reason": "request 7" })), 200).await;

    let hold = Hold::at(&app, Point::AfterCheckpoint(1));
    let id = app.create_run(&prediction(json!({ "batch_documents": 3, "unreviewed": true }))).await;
    hold.wait_until_reached().await;
    let running = app.run(id).await;
    assert_eq!((&running["phase"], stored(&app, id).await.len()), (&json!("predict"), 3), "{running}");
    expect_json(api.post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(app.wait_for_end(id).await["status"], "cancelled");
    drop(hold);
    assert_eq!((stored(&app, id).await.len(), app.count("SELECT count(*) FROM metrics WHERE split = 'predicted'").await), (3, 0));

    // a retry goes on
    expect_json(api.post(&format!("/v1/training-runs/{id}/retry")), 202).await;
    app.wait_for_success(id).await;
    let predicted = stored(&app, id).await;
    assert!(predicted.len() == 9 && predicted.iter().all(|(document, _)| *document != erased), "{predicted:?}");
    assert_eq!(app.count("SELECT count(*) FROM annotations WHERE review_status <> 'UNREVIEWED' AND predicted_value IS NOT NULL").await, 0);

    let unknown = json!({ "kind": "predict", "model": "m", "model_version": 9 });
    assert_eq!(expect_json(api.post("/v1/training-runs").json(&unknown), 422).await["code"], "unknown_version");
    let refused = expect_json(api.post("/v1/training-runs/preview").json(&prediction(json!({}))), 422).await;
    assert_eq!(refused["code"], "invalid_spec", "{refused}");
    // a new run predicts the other projects; the command line creates it
    let run = parse_id(&app.cli(&["run", "create", "--kind", "predict", "--model", "m", "--number", "1", "--param", "projects=[\"1\"]"]));
    app.wait_for_success(run).await;
    assert_eq!(stored(&app, run).await.len(), 66);
    drop(worker);
    app.finish().await;
}
