//! Commands and routes of the legacy pipeline: `ingest`, `eval`, and the routes of the existing SPA.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{TestApp, expect_json, get_bytes, parse_id, text};

#[tokio::test]
async fn ingest_and_eval_work_on_the_data_of_a_run() {
    let app = TestApp::with_import(contracts()).await;
    // the parent need not have been executed: there is no worker yet
    let parent = app.create_run(&json!({ "model": "contracts", "data": { "fields": ["contract_type"] } })).await.to_string();
    let ingest = app.cli(&["ingest", "--training-run", &parent]);
    assert_eq!((&ingest["dataset_only"], &ingest["parent_run_id"]), (&json!(true), &json!(parent)), "{ingest}");
    let worker = app.env.worker("worker", &[]);

    let ingest = app.wait_for_success(parse_id(&ingest)).await;
    assert!(ingest["dataset_id"].is_string() && ingest["model_version"].is_null(), "{ingest}");
    let eval = app.cli(&["eval", "--training-run", &parent, "--wait"]);
    assert_eq!((&eval["status"], &eval["kind"]), (&json!("succeeded"), &json!("evaluate")), "{eval}");
    let metric = |name: &str| {
        let metrics = eval["metrics"].as_array().expect("metrics are shown").iter();
        let mut matching =
            metrics.filter(|metric| metric["split"] == "reviewed" && metric["field"] == "contract_type" && metric["name"] == name);
        matching.next().and_then(|metric| metric["value"].as_f64()).unwrap_or_else(|| panic!("no {name}: {eval}"))
    };
    // the extractor of the sample omits a tenth of the values, and an eighth are wrong
    assert!((0.6..0.95).contains(&metric("accuracy")), "{eval}");
    assert!((0.75..1.0).contains(&metric("prediction_coverage")), "{eval}");
    let parent = app.wait_for_success(parent.parse().expect("an id")).await;
    assert_eq!(parent["dataset_id"], ingest["dataset_id"], "a run and its ingest use the same snapshot");
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 1);

    assert_eq!(app.count("SELECT count(*) FROM training_runs").await, 3);
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn the_routes_without_prefix_serve_the_existing_spa() {
    let app = TestApp::with_import(contracts()).await;
    let documents: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM documents ORDER BY id LIMIT 60").fetch_all(app.pool()).await.unwrap();
    let worker = app.env.worker("worker", &[]);
    let api = app.api();

    let created = expect_json(api.post("/training-runs").json(&json!({ "document_ids": documents, "triggered_by": "ana" })), 202).await;
    assert_eq!(created["status"], "queued");
    let id = text(&created["job_id"]);
    let run = app.wait_for_success(id.parse().expect("an id")).await;
    assert_eq!((&run["chosen_documents"], &run["model"]), (&json!(60), &json!("default")), "{run}");
    let dataset = app.api().json(&format!("/v1/datasets/{}", text(&run["dataset_id"]))).await;
    assert!((1..=60).contains(&dataset["examples"].as_i64().unwrap()), "{dataset}");

    let job = api.json(&format!("/jobs/{id}")).await;
    assert_eq!((&job["job_id"], &job["status"], &job["triggered_by"]), (&json!(id), &json!("succeeded"), &json!("admin for ana")), "{job}");
    let listed = |value: Value| value.as_array().expect("a plain list").iter().map(|job| text(&job["id"])).collect::<Vec<String>>();
    assert_eq!(listed(api.json("/training-runs").await), [id.as_str()]);
    assert_eq!(listed(api.json("/jobs").await), [id.as_str()]);
    assert_eq!(listed(api.json(&format!("/jobs?resource_type=training_run&resource_id={id}")).await), [id.as_str()]);
    assert!(listed(api.json("/jobs?resource_type=document").await).is_empty());
    assert!(listed(api.json(&format!("/jobs?resource_id={}", Uuid::nil())).await).is_empty());
    assert_eq!(
        get_bytes(&api, &format!("/training-runs/{id}/dataset")).await,
        get_bytes(&api, &format!("/v1/training-runs/{id}/dataset")).await
    );
    assert_eq!(
        get_bytes(&api, &format!("/training-runs/{id}/model")).await,
        get_bytes(&api, &format!("/v1/training-runs/{id}/model")).await
    );
    assert_eq!(api.json("/health").await["status"], "ok");

    let problem = expect_json(api.post("/training-runs").json(&json!({ "document_ids": [Uuid::nil()] })), 422).await;
    assert!(problem["code"] == "unknown_document" && text(&problem["detail"]).contains(&Uuid::nil().to_string()), "{problem}");
    drop(worker);
    app.finish().await;
}
