//! Thresholds of a published version: shown with the reason for what is not reached, and changed without training.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{TestApp, expect_json, text};

/// Distinct texts of two classes that are easy to distinguish.
pub(super) fn easy_texts(texts: u64) -> Vec<u8> {
    let tasks: Vec<Value> = (0..texts)
        .map(|number| {
            let (kind, word) = if number % 2 == 0 { ("lease", "tenant landlord premises") } else { ("supply", "goods buyer delivery") };
            let own: String = (0..12).map(|word| format!(" w{}", (number * 31 + word * 7919) % 9973)).collect();
            let choice = json!({ "id": "c", "from_name": "kind", "to_name": "text", "type": "choices", "value": { "choices": [kind] } });
            let time = "2025-03-02T10:00:00.000000Z";
            json!({
                "id": number, "project": 1, "data": { "text": format!("{word}{own} {word}") }, "predictions": [],
                "annotations": [{ "id": number, "completed_by": 1, "result": [choice], "created_at": time, "updated_at": time }],
            })
        })
        .collect();
    serde_json::to_vec(&tasks).unwrap()
}

/// Standard output of a command.
pub(super) fn shown(app: &TestApp, arguments: &[&str]) -> String {
    let output = app.env.cli(&app.server, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_target_of_a_version_changes_without_training() {
    let app = TestApp::with_import(easy_texts(66)).await;
    let worker = app.env.worker("worker", &[]);
    let id = app.create_run(&json!({ "model": "m" })).await;
    app.wait_for_success(id).await;
    drop(worker);

    // fewer than 59 training examples cannot show 0.95, and the reason is shown wherever the metrics are
    let run = shown(&app, &["run", "get", &id.to_string()]);
    assert!(run.contains("unreachable") && !run.contains("undefined"), "{run}");
    assert!(run.contains("kind at 0.95: not reached: ") && run.contains("59 without an error would do"), "{run}");
    let before = shown(&app, &["model", "thresholds", "m"]);
    assert!(before.contains("m version 1, thresholds of revision 0") && before.contains("kind at 0.99: not reached"), "{before}");
    let card: Value = sqlx::query_scalar("SELECT card FROM model_versions WHERE run_id = $1").bind(id).fetch_one(app.pool()).await.unwrap();
    assert_eq!(card["thresholds"]["fields"]["kind"].as_array().unwrap().len(), 4, "{card}");

    let file = app.env.folder().join("lease.txt");
    fs::write(&file, "tenant landlord premises tenant landlord premises").unwrap();
    let predict = ["predict", "--model", "m", file.to_str().unwrap()];
    let prediction = shown(&app, &predict);
    assert!(prediction.contains("unreachable") && prediction.contains("needs review"), "{prediction}");

    let changed = shown(&app, &["model", "thresholds", "m", "--target", "0.8", "--field", "kind"]);
    assert!(changed.contains("thresholds of revision 1") && changed.contains("0.95 (unreachable)"), "{changed}");
    let thresholds = app.api().json("/v1/models/m/versions/1/thresholds").await;
    let (original, current) = (&thresholds["fields"][0]["original"], &thresholds["fields"][0]["current"]);
    assert_eq!((&original["status"], &original["target"], &original["needed"]), (&json!("target_unreachable"), &json!(0.95), &json!(59)));
    assert_eq!((&current["status"], &current["target"]), (&json!("reached"), &json!(0.8)));
    assert!(current["lower_bound"].as_f64().unwrap() >= 0.8, "{current}");
    // the model is in the cache already, and answers at once
    let prediction = shown(&app, &predict);
    assert!(prediction.contains("auto") && !prediction.contains("needs review"), "{prediction}");
    let answer = expect_json(
        app.api().post("/v1/models/m/predict").json(&json!({ "text": "tenant landlord premises tenant landlord premises" })),
        200,
    )
    .await;
    let field = &answer["predictions"][0]["fields"][0];
    assert_eq!((&field["decision"], &field["threshold"]), (&json!("auto"), &current["threshold"]), "{answer}");

    let audit: (String, String) = sqlx::query_as("SELECT subject, details->>'target' FROM audit_log WHERE action = 'model.thresholds'")
        .fetch_one(app.pool())
        .await
        .unwrap();
    assert_eq!(audit, ("m".to_owned(), "0.8".to_owned()));
    let folder = app.env.folder().join("download");
    let download = shown(&app, &["model", "download", "m", "-d", folder.to_str().unwrap()]);
    assert!(download.contains("kind: the files have threshold unreachable (target 0.95); predictions use"), "{download}");
    let curves: Value = serde_json::from_slice(&fs::read(folder.join("score_curves.json")).unwrap()).unwrap();
    assert!(curves["fields"]["kind"]["n"].as_u64().unwrap() > 30, "{curves}");
    app.finish().await;
}

#[tokio::test]
async fn invalid_and_outdated_changes_are_rejected() {
    let app = TestApp::with_import(easy_texts(66)).await;
    let worker = app.env.worker("worker", &[]);
    let id = app.create_run(&json!({ "model": "m", "target_accuracy": 0.8 })).await;
    app.wait_for_success(id).await;
    drop(worker);
    let path = "/v1/models/m/versions/1/thresholds";
    let put = |body: Value| app.api().request(Method::PUT, path).json(&body);
    expect_json(put(json!({ "target": 0.9, "revision": 0 })), 200).await;
    let cases = [
        (json!({ "target": 0.9, "revision": 0 }), 409, "stale_revision"),
        (json!({ "target": 0.9, "revision": 2 }), 409, "stale_revision"),
        (json!({ "target": 1.0, "revision": 1 }), 422, "invalid_body"),
        (json!({ "target": 0.9, "revision": 1, "fields": [] }), 422, "invalid_body"),
        (json!({ "target": 0.9, "revision": 1, "fields": ["law"] }), 422, "unknown_field"),
    ];
    for (body, status, code) in cases {
        let problem = expect_json(put(body.clone()), status).await;
        assert_eq!(text(&problem["code"]), code, "{body}: {problem}");
    }
    let history = app.api().json(path).await["history"].as_array().unwrap().len();
    assert_eq!(history, 1);
    app.finish().await;
}
