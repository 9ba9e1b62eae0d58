//! A model of real contracts: the public CUAD export, if it is present.

use std::path::{Path, PathBuf};

use aprendiz_test_support::report_skipped;
use serde_json::{Value, json};

use crate::fixture::{TestApp, expect_json, text};

/// The export, or `None` with a report that the test is skipped.
fn export() -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cuad/export.json.gz");
    if file.exists() {
        return Some(file);
    }
    report_skipped(&format!("{} is missing", file.display()));
    None
}

/// The time of the database, for a query.
async fn time(app: &TestApp) -> String {
    sqlx::query_scalar(r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#)
        .fetch_one(app.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn four_hundred_real_contracts_train_a_model_of_contract_type_and_governing_law() {
    let Some(file) = export() else { return };
    let app = TestApp::start().await;
    let report = app.cli(&["import", file.to_str().expect("a plain path")]);
    assert_eq!((&report["tasks"], &report["documents_created"], &report["quarantined"]), (&json!(400), &json!(400), &json!(0)), "{report}");
    let counts: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT field, review_status::text, count(*) FROM annotations WHERE field IN ('contract_type', 'governing_law') GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .fetch_all(app.pool())
    .await
    .unwrap();
    for (field, found) in [("contract_type", 400), ("governing_law", 400)] {
        let counts_of_field = counts.iter().filter(|(name, ..)| name == field);
        assert_eq!(counts_of_field.map(|(.., count)| count).sum::<i64>(), found, "{counts:?}");
    }
    // 58 contracts name no law: reviewers rejected the prediction, or there was none
    let absent = counts.iter().filter(|(field, status, _)| field == "governing_law" && (status == "REJECTED" || status == "MISSING"));
    assert_eq!(absent.map(|(.., count)| count).sum::<i64>(), 58, "{counts:?}");

    let worker = app.env.worker("worker", &[]);
    let run = app.cli(&["run", "create", "--model", "cuad", "--fields", "contract_type,governing_law", "--watch"]);
    assert_eq!((&run["status"], &run["model_version"]), (&json!("succeeded"), &json!(1)), "{run}");
    for field in ["contract_type", "governing_law"] {
        let metric = |name: &str| {
            let metrics = run["metrics"].as_array().expect("metrics are shown").iter();
            let mut matching = metrics.filter(|metric| metric["split"] == "test" && metric["field"] == field && metric["name"] == name);
            matching.next().and_then(|metric| metric["value"].as_f64()).unwrap_or_else(|| panic!("no {name} of {field}: {run}"))
        };
        assert!(metric("n") >= 40.0);
        // the model learned both fields: it is better than the most frequent value
        assert!(metric("accuracy") > metric("majority_baseline") + 0.1, "{field}: {} {}", metric("accuracy"), metric("majority_baseline"));
    }
    // labels of a single contract are excluded, and the counts report it
    let dataset = app.api().json(&format!("/v1/datasets/{}", run["dataset_id"].as_str().expect("an id"))).await;
    let excluded = dataset["counts"]["fields"]["governing_law"].to_string();
    assert!(excluded.contains("excluded"), "{excluded}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn on_real_contracts_the_gate_refuses_a_worse_version_and_a_rollback_restores_the_better_one() {
    let Some(file) = export() else { return };
    let app = TestApp::start().await;
    expect_json(app.api().post("/v1/imports").body(std::fs::read(file).expect("the export is readable")), 201).await;
    let worker = app.env.worker("worker", &[]);
    for params in [json!({}), json!({ "max_features": 100 })] {
        let id = app.create_run(&json!({ "model": "cuad", "data": { "fields": ["contract_type"] }, "params": params })).await;
        app.wait_for_success(id).await;
    }
    let champion = "/v1/models/cuad/aliases/champion";
    let promote = |body: Value| app.api().request(reqwest::Method::PUT, champion).json(&body);

    let comparison = app.api().json("/v1/models/cuad/compare").await;
    assert_eq!((&comparison["candidate"]["number"], &comparison["baseline"]["number"]), (&json!(2), &json!(1)), "{comparison}");
    let refused = expect_json(promote(json!({ "number": 2 })), 409).await;
    let reason = refused.to_string();
    assert!(refused["code"] == "gate_refused" && reason.contains("contract_type") && reason.contains("0.02"), "{reason}");
    let at_first = time(&app).await;
    expect_json(promote(json!({ "number": 2, "override": true, "reason": "a trial" })), 200).await;
    let at_second = time(&app).await;
    let rolled_back = expect_json(app.api().post(&format!("{champion}/rollback")).json(&json!({ "reason": "it is worse" })), 200).await;
    assert_eq!(rolled_back["number"], 1);
    for (at, number) in [(at_first, 1), (at_second, 2), (time(&app).await, 1)] {
        let page = app.api().json(&format!("{champion}/history?at={at}&limit=1")).await;
        assert_eq!(page["items"][0]["to_number"], number, "at {at}: {page}");
    }
    let history = app.api().json(&format!("{champion}/history")).await;
    let overridden = &history["items"][1];
    assert_eq!((&overridden["overridden"], &overridden["reason"]), (&json!(true), &json!("a trial")), "{history}");
    assert_eq!(overridden["gate"]["decision"], "refused", "{history}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn the_command_line_decides_about_versions_of_real_contracts() {
    let Some(file) = export() else { return };
    let app = TestApp::start().await;
    app.cli(&["import", file.to_str().expect("a plain path")]);
    let worker = app.env.worker("worker", &[]);
    let create = ["run", "create", "--model", "cuad", "--fields", "contract_type", "--watch"];
    app.cli(&create);
    app.cli(&[&create[..], &["--param", "max_features=100"]].concat());
    let refused = app.env.cli(&app.server, &["model", "promote", "cuad", "2"]);
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{errors}");
    assert!(errors.contains("gate_refused") && errors.contains("contract_type"), "{errors}");
    app.cli(&["model", "promote", "cuad", "2", "--override", "--reason", "a trial"]);
    assert_eq!(app.cli(&["model", "rollback", "cuad", "--reason", "it is worse"])["number"], 1);
    let history = app.cli(&["model", "history", "cuad"]);
    let actions: Vec<String> = history.as_array().expect("a list").iter().map(|event| text(&event["action"])).collect();
    assert_eq!(actions, ["rolled_back", "promoted", "first_version"], "{history}");
    let errors = app.cli(&["run", "errors", &text(&app.cli(&["run", "list", "--limit", "1"])[0]["id"])]);
    assert!(errors["items"].as_array().is_some_and(|items| !items.is_empty()), "{errors}");
    drop(worker);
    app.finish().await;
}
