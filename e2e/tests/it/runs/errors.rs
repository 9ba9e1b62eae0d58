//! Impossible runs: an invalid spec is rejected, other runs fail with the reason, and nothing is published.

use serde_json::{Value, json};

use crate::fixture::exports::{contracts, reviewed, unreviewed};
use crate::fixture::{TestApp, expect_json, text};

#[tokio::test]
async fn an_invalid_spec_is_rejected_with_the_invalid_part() {
    let app = TestApp::with_import(contracts()).await;
    let cases = [
        (json!({ "model": "m", "data": { "fields": ["contract_type", "colour"] } }), "unknown_field", "colour"),
        (json!({ "model": "m", "learning_rate": 0.1 }), "invalid_body", "learning_rate"),
        (json!({ "model": "m", "data": { "feilds": [] } }), "invalid_body", "feilds"),
        (json!({ "model": "m", "params": { "max_depth": 3 } }), "bad_params", "max_depth"),
        (json!({ "model": "m", "params": { "folds": 1 } }), "bad_params", "folds"),
        (
            json!({ "model": "m", "data": { "documents": ["00000000-0000-0000-0000-000000000000"] } }),
            "unknown_document",
            "00000000-0000-0000-0000-000000000000",
        ),
        (json!({ "model": "../m" }), "invalid_body", "../m"),
        (json!({ "model": "m", "kind": "forest" }), "invalid_body", "forest"),
        (json!({ "model": "m", "target_accuracy": 1 }), "invalid_spec", "target_accuracy"),
        (json!({ "model": "m", "backend": "tpu" }), "invalid_body", "backend"),
        (json!({ "model": "m", "kind": "evaluate", "params": { "l2": 1 } }), "invalid_spec", "params"),
        (json!({ "model": "m", "kind": "sweep", "params": { "space": { "l2": [0.1, -1] } } }), "bad_params", "trial 2 (l2=-1): l2 must be"),
        (json!({ "model": "m", "kind": "sweep", "params": { "space": { "depth": [1] } } }), "bad_params", "space.depth"),
        (json!({ "model": "m", "run_after": "-4800-01-01T00:00:00Z" }), "invalid_body", "run_after"),
        (json!({ "model": "m", "run_after": "+262142-01-01T00:00:00Z" }), "invalid_body", "run_after"),
        (
            json!({ "model": "m", "run_after": "soon" }),
            "invalid_body",
            "run_after: \"soon\" is not a time: write it like 2024-01-31T12:00:00Z",
        ),
        (json!({ "model": "m", "data": { "as_of": "21/11/2026" } }), "invalid_body", "/data/as_of: \"21/11/2026\" is not a time"),
        (json!({ "model": "m", "data": { "as_of": "9999-12-31" } }), "future_time", "as_of: 9999-12-31T00:00:00Z is in the future"),
    ];
    for (spec, code, named) in cases {
        let problem = expect_json(app.api().post("/v1/training-runs").json(&spec), 422).await;
        assert!(problem["code"] == code && text(&problem["detail"]).contains(named), "{spec}: {problem}");
    }
    let answer = app.api().post("/v1/training-runs").body("{\"model\":").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    for time in ["-4800-01-01T00:00:00Z", "%2B262142-01-01T00:00:00Z", "soon"] {
        let problem = expect_json(app.api().get(&format!("/v1/audit-log?since={time}")), 422).await;
        assert!(problem["code"] == "invalid_query" && text(&problem["detail"]).contains("time"), "{problem}");
        let review = app.api().post(&format!("/v1/imports/legacy-csv?reviewed_at={time}")).body("task_id,law_gold\n");
        assert_eq!(expect_json(review, 422).await["code"], "invalid_query");
    }
    let problem = expect_json(app.api().get("/v1/audit-log?since=soon"), 422).await;
    assert!(text(&problem["detail"]).starts_with("`since` is `soon`: \"soon\" is not a time"), "{problem}");
    let retry = json!({ "status": "failed", "since": "-4800-01-01T00:00:00Z" });
    let problem = expect_json(app.api().post("/v1/training-runs/retry").json(&retry), 422).await;
    assert!(text(&problem["detail"]).starts_with("/since: "), "{problem}");
    assert_eq!(app.count("SELECT count(*) FROM training_runs").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM outbox").await, 0);

    // the command line shows the detail of the problem
    let output = app.env.cli(&app.server, &["run", "create", "--model", "m", "--fields", "colour"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown field colour"), "{output:?}");
    app.finish().await;
}

#[tokio::test]
async fn unreviewed_documents_are_not_examples() {
    let app = TestApp::with_import(unreviewed(30)).await;
    let (code, reason) = fail(&app, &json!({ "model": "m", "data": { "fields": ["colour"] } })).await;
    assert_eq!(code, "no_examples");
    assert!(reason.contains("colour"), "{reason}");
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_field_with_one_class_cannot_be_trained() {
    let app = TestApp::with_import(reviewed(30, |_| "red")).await;
    let (code, reason) = fail(&app, &json!({ "model": "m" })).await;
    assert_eq!(code, "no_trainable_field");
    assert!(reason.contains("colour"), "{reason}");
    app.finish().await;
}

#[tokio::test]
async fn a_field_whose_classes_are_all_rare_cannot_be_trained() {
    // two classes, but one of them has a single document
    let app = TestApp::with_import(reviewed(30, |number| if number == 1 { "blue" } else { "red" })).await;
    let (code, reason) = fail(&app, &json!({ "model": "m" })).await;
    assert_eq!(code, "no_trainable_field");
    assert!(reason.contains("colour"), "{reason}");
    app.finish().await;
}

/// Creates a run, which must fail permanently in its first attempt and publish nothing.
async fn fail(app: &TestApp, spec: &Value) -> (String, String) {
    let worker = app.env.worker("worker", &[]);
    let id = app.create_run(spec).await;
    let failed = app.wait_for_failure(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["failed"]);
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM metrics").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE key LIKE 'models/%'").await, 0);
    // `run watch` shows the failure and its reason
    let output = app.env.cli(&app.server, &["run", "watch", &id.to_string()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&failed.1), "{output:?}");
    drop(worker);
    failed
}

#[tokio::test]
async fn a_time_without_a_zone_is_utc_and_is_returned_in_utc() {
    let app = TestApp::with_import(contracts()).await;
    for (time, expected) in [
        ("2099-01-02 03:04:05", "2099-01-02T03:04:05Z"),
        ("2099-01-02", "2099-01-02T00:00:00Z"),
        ("2099-01-02T03:04:05-03:00", "2099-01-02T06:04:05Z"),
    ] {
        let run = expect_json(app.api().post("/v1/training-runs").json(&json!({ "model": "m", "run_after": time })), 202).await;
        assert_eq!((&run["run_after"], &run["spec"]["run_after"]), (&json!(expected), &json!(expected)), "{time}");
        let cancelled = expect_json(app.api().post(&format!("/v1/training-runs/{}/cancel", text(&run["id"]))), 200).await;
        assert_eq!(cancelled["status"], "cancelled");
    }
    // the command line reads times like the API, whatever the zone of the terminal
    let mut command = app.env.command("aprendiz");
    command.args(["run", "create", "--model", "m", "--run-after", "2099-01-02 03:04:05", "-o", "json"]).env("TZ", "America/Sao_Paulo");
    command.env("APRENDIZ_URL", app.server.url()).env("APRENDIZ_API_KEY", app.server.admin_key());
    let output = command.output().unwrap();
    let run: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(run["run_after"], "2099-01-02T03:04:05Z", "{run}");
    expect_json(app.api().post(&format!("/v1/training-runs/{}/cancel", text(&run["id"]))), 200).await;
    assert_eq!(app.count("SELECT count(*) FROM outbox").await, 0, "cancelled runs need no wake-up");
    app.finish().await;
}
