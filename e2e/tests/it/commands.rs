//! The commands and routes that the plan's scripts and its SPA know.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::export::contracts;
use crate::site::{Site, answered, bytes, id_of, text};

#[tokio::test]
async fn ingest_and_eval_work_on_the_data_of_a_run() {
    let site = Site::with(contracts()).await;
    // nobody works yet: the parent need not have run
    let parent = site.create_run(&json!({ "model": "contracts", "data": { "fields": ["contract_type"] } })).await.to_string();
    let ingest = site.cli(&["ingest", "--training-run", &parent]);
    assert_eq!((&ingest["dataset_only"], &ingest["parent_run_id"]), (&json!(true), &json!(parent)), "{ingest}");
    let worker = site.env.worker("worker", &[]);

    let ingest = site.succeeded(id_of(&ingest)).await;
    assert!(ingest["dataset_id"].is_string() && ingest["model_version"].is_null(), "{ingest}");
    let eval = site.cli(&["eval", "--training-run", &parent, "--wait"]);
    assert_eq!((&eval["status"], &eval["kind"]), (&json!("succeeded"), &json!("evaluate")), "{eval}");
    let metric = |name: &str| {
        let metrics = eval["metrics"].as_array().expect("metrics are shown").iter();
        let mut of_field =
            metrics.filter(|metric| metric["split"] == "reviewed" && metric["field"] == "contract_type" && metric["name"] == name);
        of_field.next().and_then(|metric| metric["value"].as_f64()).unwrap_or_else(|| panic!("no {name}: {eval}"))
    };
    // the sample's extractor is silent about a tenth and wrong about an eighth of the values
    assert!((0.6..0.95).contains(&metric("accuracy")), "{eval}");
    assert!((0.75..1.0).contains(&metric("prediction_coverage")), "{eval}");
    let parent = site.succeeded(parent.parse().expect("an id")).await;
    assert_eq!(parent["dataset_id"], ingest["dataset_id"], "a run and its ingest read the same");
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 1);

    assert_eq!(site.count("SELECT count(*) FROM training_runs").await, 3);
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn the_routes_without_prefix_serve_the_plans_spa() {
    let site = Site::with(contracts()).await;
    let documents: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM documents ORDER BY id LIMIT 60").fetch_all(site.pool()).await.unwrap();
    let worker = site.env.worker("worker", &[]);
    let api = site.api();

    let created = answered(api.post("/training-runs").json(&json!({ "document_ids": documents, "triggered_by": "ana" })), 202).await;
    assert_eq!(created["status"], "queued");
    let id = text(&created["job_id"]);
    let run = site.succeeded(id.parse().expect("an id")).await;
    assert_eq!((&run["chosen_documents"], &run["model"]), (&json!(60), &json!("default")), "{run}");
    let dataset = site.api().json(&format!("/v1/datasets/{}", text(&run["dataset_id"]))).await;
    assert!((1..=60).contains(&dataset["examples"].as_i64().unwrap()), "{dataset}");

    let job = api.json(&format!("/jobs/{id}")).await;
    assert_eq!((&job["job_id"], &job["status"], &job["triggered_by"]), (&json!(id), &json!("succeeded"), &json!("admin for ana")), "{job}");
    let listed = |value: Value| value.as_array().expect("a plain list").iter().map(|job| text(&job["id"])).collect::<Vec<String>>();
    assert_eq!(listed(api.json("/training-runs").await), [id.as_str()]);
    assert_eq!(listed(api.json("/jobs").await), [id.as_str()]);
    assert_eq!(listed(api.json(&format!("/jobs?resource_type=training_run&resource_id={id}")).await), [id.as_str()]);
    assert!(listed(api.json("/jobs?resource_type=document").await).is_empty());
    assert!(listed(api.json(&format!("/jobs?resource_id={}", Uuid::nil())).await).is_empty());
    assert_eq!(bytes(&api, &format!("/training-runs/{id}/dataset")).await, bytes(&api, &format!("/v1/training-runs/{id}/dataset")).await);
    assert_eq!(bytes(&api, &format!("/training-runs/{id}/model")).await, bytes(&api, &format!("/v1/training-runs/{id}/model")).await);
    assert_eq!(api.json("/health").await["status"], "ok");

    let problem = answered(api.post("/training-runs").json(&json!({ "document_ids": [Uuid::nil()] })), 422).await;
    assert!(problem["code"] == "unknown_document" && text(&problem["detail"]).contains(&Uuid::nil().to_string()), "{problem}");
    drop(worker);
    site.finish().await;
}
