//! A model of real contracts: the public CUAD export, if it is present.

use std::path::Path;

use aprendiz_test_support::report_skipped;
use serde_json::json;

use crate::fixture::TestApp;

#[tokio::test]
async fn four_hundred_real_contracts_train_a_model_of_contract_type_and_governing_law() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cuad/export.json.gz");
    if !file.exists() {
        report_skipped(&format!("{} is missing", file.display()));
        return;
    }
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
