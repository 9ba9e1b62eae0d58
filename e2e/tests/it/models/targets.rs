//! Target accuracies in decisions: in the comparison of versions, in the gate, and in the history of aliases. And learning curves.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use super::thresholds::{easy_texts, shown};
use crate::fixture::{TestApp, expect_json, text};

const HISTORY: &str = "/v1/models/m/aliases/champion/history";

async fn change_target(app: &TestApp, number: i64, target: f64, revision: i64) -> Value {
    let path = format!("/v1/models/m/versions/{number}/thresholds");
    expect_json(app.api().request(Method::PUT, &path).json(&json!({ "target": target, "revision": revision })), 200).await
}

/// The actions of a page of the history, newest first.
fn actions(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|entry| text(&entry["action"])).collect()
}

#[tokio::test]
async fn a_changed_target_is_compared_and_stands_in_the_history_of_the_alias() {
    let app = TestApp::with_import(easy_texts(66)).await;
    let worker = app.env.worker("worker", &[]);
    for _ in 0..2 {
        let id = app.create_run(&json!({ "model": "m" })).await;
        app.wait_for_success(id).await;
    }
    drop(worker);
    let published = app.api().json("/v1/models/m/compare").await;
    assert_eq!(published["targets"][0]["baseline"], json!({ "target": 0.95, "threshold": null, "changed": false }), "{published}");
    let rows = published["targets"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["target"].as_f64().unwrap()).collect::<Vec<_>>(), [0.99, 0.95, 0.9, 0.8]);
    let thresholds = app.api().json("/v1/models/m/versions/1/thresholds").await;
    for (row, own) in rows.iter().zip(thresholds["fields"][0]["targets"].as_array().unwrap()) {
        assert_eq!((&row["baseline"], &row["candidate"]), (own, own), "two equal trainings have the scores of either");
    }
    assert_eq!((&rows[1]["baseline"]["status"], &rows[3]["baseline"]["status"]), (&json!("target_unreachable"), &json!("reached")));

    // version 1 is champion: its change is in the history of the alias. Version 2 has no alias
    change_target(&app, 1, 0.8, 0).await;
    change_target(&app, 2, 0.9, 0).await;
    change_target(&app, 2, 0.95, 1).await;
    let history = app.api().json(HISTORY).await;
    assert_eq!(actions(&history), ["thresholds", "first_version"], "{history}");
    let entry = &history["items"][0];
    assert_eq!((&entry["from_number"], &entry["to_number"], &entry["threshold_revision"]), (&json!(1), &json!(1), &json!(1)), "{entry}");
    let changed = &entry["thresholds"][0];
    assert_eq!((&changed["field"], &changed["from_target"], &changed["target"]), (&json!("kind"), &json!(0.95), &json!(0.8)), "{entry}");
    assert!(changed["from_threshold"].is_null() && changed["threshold"].is_number(), "{entry}");
    assert_eq!(history["items"][1]["thresholds"], Value::Null);
    for (index, action) in ["thresholds", "first_version"].into_iter().enumerate() {
        let at = text(&history["items"][index]["at"]);
        let then = app.api().json(&format!("{HISTORY}?at={at}&limit=1")).await;
        assert_eq!((actions(&then), &then["items"][0]["to_number"]), (vec![action.to_owned()], &json!(1)), "{then}");
    }
    let first = app.api().json(&format!("{HISTORY}?limit=1")).await;
    let second = app.api().json(&format!("{HISTORY}?limit=1&cursor={}", text(&first["next_cursor"]))).await;
    assert_eq!((actions(&second), &second["next_cursor"]), (vec!["first_version".to_owned()], &Value::Null));

    let compared = app.api().json("/v1/models/m/compare").await;
    let targets = &compared["targets"][0];
    assert_eq!((&targets["baseline"]["target"], &targets["baseline"]["changed"]), (&json!(0.8), &json!(true)), "{targets}");
    assert_eq!((&targets["candidate"]["target"], &targets["candidate"]["threshold"]), (&json!(0.95), &Value::Null), "{targets}");
    let metrics = compared["fields"][0]["comparison"]["metrics"].as_array().unwrap();
    let coverage = metrics.iter().find(|metric| metric["metric"] == "coverage").unwrap();
    assert!(coverage["baseline"].as_f64().unwrap() > 0.5 && coverage["candidate"] == 0.0, "{coverage}");
    assert_eq!(&compared["gate"]["fields"][0]["coverage"], coverage, "the gate reports what both answer by themselves");
    let text_of_comparison = shown(&app, &["model", "compare", "m"]);
    assert!(
        text_of_comparison.contains("0.80, changed") && text_of_comparison.contains("0.95, not reached, changed"),
        "{text_of_comparison}"
    );
    let text_of_history = shown(&app, &["model", "history", "m"]);
    assert!(text_of_history.contains("kind: target 0.95 → 0.80"), "{text_of_history}");

    check_coverage_rule(&app).await;
    app.finish().await;
}

/// The candidate predicts as well as the champion, and answers nothing by itself.
async fn check_coverage_rule(app: &TestApp) {
    let promote = || app.api().request(Method::PUT, "/v1/models/m/aliases/champion").json(&json!({ "number": 2 }));
    let invalid = app.api().request(Method::PUT, "/v1/models/m").json(&json!({ "gate": { "coverage_margin": 1.5 } }));
    let problem = expect_json(invalid, 422).await;
    assert!(problem["code"] == "invalid_settings" && text(&problem["detail"]).contains("gate.coverage_margin is 1.5"), "{problem}");
    let settings = app.cli(&["model", "settings", "m", "--min-n", "1", "--margin", "1", "--coverage-margin", "0.05"]);
    assert_eq!(settings["gate"]["coverage_margin"], 0.05, "{settings}");
    let problem = expect_json(promote(), 409).await;
    let reason = text(&problem["current"]["fields"][0]["reason"]);
    assert!(problem["code"] == "gate_refused" && reason.starts_with("coverage: worse"), "{problem}");
    let settings = app.cli(&["model", "settings", "m", "--coverage-margin", "off"]);
    assert!(settings["gate"]["coverage_margin"].is_null() && settings["gate"]["min_n"] == 1, "{settings}");
    expect_json(promote(), 200).await;
    // from now on, changes of version 1 are not in the history of the alias, and those of version 2 are
    change_target(app, 1, 0.9, 1).await;
    change_target(app, 2, 0.8, 2).await;
    let history = app.api().json(HISTORY).await;
    assert_eq!(actions(&history), ["thresholds", "promoted", "thresholds", "first_version"], "{history}");
    assert_eq!((&history["items"][0]["to_number"], &history["items"][0]["threshold_revision"]), (&json!(2), &json!(3)), "{history}");
}

#[tokio::test]
async fn a_learning_curve_is_a_metric_and_stands_in_the_card() {
    let app = TestApp::with_import(easy_texts(66)).await;
    let worker = app.env.worker("worker", &[]);
    let id = app.create_run(&json!({ "model": "m", "params": { "learning_curve": true, "final_fit": "train" } })).await;
    app.wait_for_success(id).await;
    drop(worker);
    let metrics = app.api().json(&format!("/v1/training-runs/{id}/metrics")).await;
    let metrics = metrics["items"].as_array().unwrap();
    let curves: Vec<&Value> = metrics.iter().filter(|metric| metric["name"] == "learning_curve").collect();
    assert_eq!(curves.len(), 2, "one of the field, one of all fields");
    let accuracy = metrics
        .iter()
        .find(|metric| (&metric["split"], &metric["field"], &metric["name"]) == (&json!("validation"), &json!("kind"), &json!("accuracy")));
    for curve in curves {
        assert_eq!(curve["split"], "validation");
        let points = curve["details"]["points"].as_array().unwrap();
        let percents = curve["details"]["percents"].as_array().unwrap();
        assert!(points.len() == percents.len() && percents.last() == Some(&json!(100)), "{curve}");
        let labels: Vec<u64> = points.iter().map(|point| point["train_examples"].as_u64().unwrap()).collect();
        assert!(labels.windows(2).all(|pair| pair[0] <= pair[1]), "{curve}");
        assert_eq!(Some(&points[points.len() - 1]["accuracy"]), accuracy.map(|metric| &metric["value"]), "100 % is the model itself");
        assert!(curve["value"].is_f64() || curve["details"]["undefined"].is_string(), "{curve}");
    }
    let table = shown(&app, &["run", "metrics", &id.to_string()]);
    assert!(table.contains("learning curve: accuracy on the validation split") && table.contains("100 %"), "{table}");
    let folder = app.env.folder().join("download");
    shown(&app, &["model", "download", "m", "-d", folder.to_str().unwrap()]);
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.contains("## Learning curve") && readme.contains("An extrapolation by a power law"), "{readme}");
    app.finish().await;
}
