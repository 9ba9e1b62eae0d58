//! Versions that are fitted on more than train, and the words that speak for their predictions.

use serde_json::{Value, json};

use crate::fixture::exports::{LEASE_TEXT, two_kinds};
use crate::fixture::{TestApp, expect_json, get_bytes};

#[tokio::test]
async fn the_published_weights_may_be_fitted_on_all_splits_and_the_measured_model_is_not() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    app.import(two_kinds(1, 66, ["lease", "supply"])).await;
    let api = app.api();
    let id = app.create_run(&json!({ "model": "m", "params": { "final_fit": "all" } })).await;
    let run = app.wait_for_success(id).await;
    assert_eq!((&run["model_version"], &run["spec"]["params"]["final_fit"]), (&json!(1), &json!("all")), "{run}");
    let fit = &api.json("/v1/models/m/versions/1").await["card"]["final_fit"];
    assert_eq!((&fit["measured"], &fit["published"], &fit["published_documents"]), (&json!("train+validation"), &json!("all"), &json!(66)));
    assert!(fit["measured_documents"].as_u64().unwrap() < 66, "{fit}");
    let config: Value = serde_json::from_slice(&get_bytes(&api, &format!("/v1/training-runs/{id}/model?file=config.json")).await).unwrap();
    let counts: u64 = config["fields"][0]["train_counts"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(counts, 66, "{config}");
    let readme = get_bytes(&api, &format!("/v1/training-runs/{id}/model?file=README.md")).await;
    assert!(String::from_utf8(readme).unwrap().contains("then fitted on all splits"));

    // an evaluation with the published weights has no document left
    let evaluation = app.create_run(&json!({ "kind": "evaluate", "model": "m", "model_version": 1 })).await;
    let (code, error) = app.wait_for_failure(evaluation).await;
    assert!(code == "no_examples" && error.contains("trained on"), "{code}: {error}");

    let question = json!({ "text": format!("The {LEASE_TEXT}."), "number": 1, "evidence": true });
    let answer = expect_json(api.post("/v1/models/m/predict").json(&question), 200).await;
    let words = answer["predictions"][0]["fields"][0]["words"].as_array().unwrap().clone();
    let premises = words.iter().find(|word| word["text"] == "premises").unwrap_or_else(|| panic!("{answer}"));
    assert_eq!((&premises["start"], &premises["end"]), (&json!(20), &json!(28)), "{answer}");
    assert!(premises["contribution"].as_f64().unwrap() > 0.0, "{answer}");

    let second = app.create_run(&json!({ "model": "m" })).await;
    app.wait_for_success(second).await;
    let fit = &api.json("/v1/models/m/versions/2").await["card"]["final_fit"];
    assert_eq!((&fit["measured"], &fit["published"]), (&json!("train+validation"), &json!("train+validation")), "{fit}");
    assert_eq!(fit["measured_documents"], fit["published_documents"], "{fit}");
    drop(worker);
    app.finish().await;
}
