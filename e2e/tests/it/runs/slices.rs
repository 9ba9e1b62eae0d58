//! Metrics by slice of documents from two sources, and the wrong predictions of a slice.

use serde_json::{Value, json};

use crate::fixture::exports::{LEASE_TEXT, SUPPLY_TEXT};
use crate::fixture::{TestApp, expect_json, text};

const TIME: &str = "2025-06-01T12:00:00.000000Z";

/// Reviewed leases and supply contracts with predictions. Every fourth document has no customer; those of `inverted` sources have the other
/// label, and predictions by their text, which are all wrong.
fn tasks(documents: u64, reviewer: u64, inverted: bool) -> Vec<u8> {
    let choice =
        |label: &str| json!({ "id": "c", "from_name": "kind", "to_name": "text", "type": "choices", "value": { "choices": [label] } });
    let tasks = (0..documents).map(|number| {
        let kind = usize::from(number % 2 == 1);
        let word = [LEASE_TEXT, SUPPLY_TEXT][kind];
        let own: String =
            (0..12).map(|index| format!(" w{}", (number * 31 + index * 7919 + u64::from(inverted) * 4999) % 9973)).collect();
        let (accepted, predicted) = (["lease", "supply"][if inverted { 1 - kind } else { kind }], ["lease", "supply"][kind]);
        let mut data = json!({ "text": format!("{word}{own} {word}") });
        if number % 4 != 0 {
            data["customer"] = json!(format!("customer-{}", number % 4));
        }
        json!({
            "id": number, "project": 7, "data": data,
            "annotations": [{ "id": number, "completed_by": reviewer, "result": [choice(accepted)], "created_at": TIME, "updated_at": TIME }],
            "predictions": [{ "id": number, "model_version": "extractor-1", "score": 0.9, "result": [choice(predicted)], "created_at": TIME }],
        })
    });
    serde_json::to_vec(&tasks.collect::<Vec<Value>>()).unwrap()
}

async fn import(app: &TestApp, source: &str, export: Vec<u8>) {
    let report = expect_json(app.api().post(&format!("/v1/imports?source={source}")).body(export), 201).await;
    assert_eq!(report["quarantined"], 0, "{report}");
}

async fn metrics(app: &TestApp, run: &str) -> Vec<Value> {
    app.api().json(&format!("/v1/training-runs/{run}/metrics")).await["items"].as_array().unwrap().clone()
}

fn find<'a>(metrics: &'a [Value], field: Option<&str>, name: &str) -> &'a Value {
    let found = metrics.iter().find(|metric| {
        metric["split"] != "validation" && metric["split"] != "train" && metric["field"].as_str() == field && metric["name"] == name
    });
    found.unwrap_or_else(|| panic!("{field:?} {name}: {metrics:?}"))
}

/// The slices of a dimension of the field `kind`.
fn slices(metrics: &[Value], dimension: &str) -> Vec<Value> {
    let dimensions = find(metrics, Some("kind"), "slices")["details"]["dimensions"].as_array().unwrap();
    let found = dimensions.iter().find(|found| found["dimension"] == dimension).unwrap_or_else(|| panic!("{dimension}: {dimensions:?}"));
    found["slices"].as_array().unwrap().clone()
}

/// The errors of a slice.
fn errors(app: &TestApp, run: &str, slice: &str) -> Vec<Value> {
    app.cli(&["run", "errors", run, "--limit", "1000", "--slice", slice])["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn metrics_and_errors_are_divided_by_source_and_metadata() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    import(&app, "label-studio", tasks(200, 1, false)).await;
    import(&app, "archive", tasks(80, 2, true)).await;

    // a model: every slice agrees with the recorded errors
    let id = app.cli(&["run", "create", "--model", "contracts", "--fields", "kind", "--slice", "customer"]);
    assert_eq!(id["spec"]["slices"], json!(["customer"]));
    let id = text(&id["id"]);
    app.wait_for_success(id.parse().unwrap()).await;
    let trained = metrics(&app, &id).await;
    let (n, examples) = (find(&trained, Some("kind"), "n")["value"].as_f64(), find(&trained, Some("kind"), "examples")["value"].as_f64());
    for dimension in ["reviewer", "source", "project", "text_length", "review_date", "metadata.customer"] {
        let slices = slices(&trained, dimension);
        let sum = |key: &str| Some(slices.iter().map(|slice| slice[key].as_f64().unwrap()).sum::<f64>());
        // a group of near-duplicates counts once in each of its slices
        assert!(sum("n") >= n && sum("examples") == examples, "{dimension}: {slices:?}");
        for slice in &slices {
            let wrong = slice["examples"].as_u64().unwrap() - slice["correct"].as_u64().unwrap();
            let found = errors(&app, &id, &format!("{dimension}:{}", text(&slice["value"])));
            assert_eq!(found.len() as u64, wrong, "{dimension}: {slice}");
            assert!(found.iter().all(|error| error["split"] == "test"));
            assert!(slice["interval"]["low"].is_number() && slice["coverage"].is_number() && slice["macro_f1"].is_number(), "{slice}");
        }
    }
    assert_eq!(slices(&trained, "text_length")[0]["value"], "under-1k");
    assert_eq!(slices(&trained, "review_date")[0]["value"], "2025-Q2");
    let output = app.env.cli(&app.server, &["run", "metrics", &id, "--slices", "--field", "kind"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("metadata.customer") && shown.contains("customer-1") && shown.contains("label-studio/7"), "{shown}");
    let readme = app.api().get(&format!("/v1/training-runs/{id}/model?file=README.md")).send().await.unwrap().text().await.unwrap();
    assert!(readme.contains("## Worst slices"), "{readme}");

    // the stored predictions: those of one source are all wrong
    let id =
        app.create_run(&json!({ "model": "contracts", "kind": "evaluate", "data": { "fields": ["kind"] }, "slices": ["customer"] })).await;
    app.wait_for_success(id).await;
    let id = id.to_string();
    let stored = metrics(&app, &id).await;
    let by_source = slices(&stored, "source");
    let rows: Vec<_> = by_source.iter().map(|slice| (&slice["value"], &slice["examples"], &slice["accuracy"])).collect();
    assert_eq!(rows, [(&json!("label-studio"), &json!(200), &json!(1.0)), (&json!("archive"), &json!(80), &json!(0.0))]);
    let by_customer = slices(&stored, "metadata.customer");
    let mut rows: Vec<_> = by_customer.iter().map(|slice| (text(&slice["value"]), slice["examples"].as_u64().unwrap())).collect();
    rows.sort();
    assert_eq!(rows, ["(none)", "customer-1", "customer-2", "customer-3"].map(|value| (value.to_owned(), 70)));
    let worst = &find(&stored, None, "worst_slices")["details"];
    let names: Vec<_> =
        worst["slices"].as_array().unwrap().iter().map(|slice| (text(&slice["dimension"]), text(&slice["value"]))).collect();
    let expected = [("reviewer", "2"), ("source", "archive"), ("project", "archive/7")];
    assert_eq!(names, expected.map(|(dimension, value)| (dimension.to_owned(), value.to_owned())), "{worst}");
    assert!(errors(&app, &id, "source:label-studio").is_empty());
    assert_eq!(errors(&app, &id, "source:archive").len(), 80);
    assert_eq!(errors(&app, &id, "metadata.customer:(none)").len(), 20);
    assert!(errors(&app, &id, "metadata.customer:(other)").is_empty());
    let shown = String::from_utf8_lossy(&app.env.cli(&app.server, &["run", "get", &id]).stdout).into_owned();
    assert!(shown.contains("source:archive"), "{shown}");

    // a slice that the run does not have is an error, not an empty list
    for (slice, named) in [("colour:red", "colour"), ("source", "DIMENSION:VALUE")] {
        let problem = expect_json(app.api().get(&format!("/v1/training-runs/{id}/errors?slice={slice}")), 422).await;
        assert!(problem["code"] == "invalid_query" && text(&problem["detail"]).contains(named), "{problem}");
    }

    // an erasure deletes the values of metadata
    let document = text(&errors(&app, &id, "source:archive")[0]["document_id"]);
    app.cli(&["document", "erase", &document, "--reason", "request", "--yes"]);
    assert!(!metrics(&app, &id).await.iter().any(|metric| metric["name"] == "slices"));
    let problem = expect_json(app.api().get(&format!("/v1/training-runs/{id}/errors?slice=source:archive")), 409).await;
    assert_eq!(problem["code"], "slices_not_recorded", "{problem}");
    drop(worker);
    app.finish().await;
}
