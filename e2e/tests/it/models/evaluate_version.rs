//! Published versions are evaluated on documents that arrived later, and comparisons use the result.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::two_kinds;
use crate::fixture::{TestApp, expect_json, objects, parse_id, text};

const LABELS: [&str; 2] = ["lease", "supply"];
const COMPARE: &str = "/v1/models/m/compare?baseline=1&candidate=2";

async fn train(app: &TestApp, number: i64) -> Value {
    let id = app.create_run(&json!({ "model": "m" })).await;
    let run = app.wait_for_success(id).await;
    assert_eq!(run["model_version"], number, "{run}");
    run
}

fn evaluation(number: i64) -> Value {
    json!({ "kind": "evaluate", "model": "m", "model_version": number })
}

/// The metric over all fields of a run.
async fn metric(app: &TestApp, run: Uuid, name: &str) -> Value {
    let metrics = app.api().json(&format!("/v1/training-runs/{run}/metrics")).await;
    let found = metrics["items"].as_array().unwrap().iter().find(|metric| metric["name"] == name && metric["field"].is_null()).cloned();
    found.unwrap_or_else(|| panic!("no metric {name}: {metrics}"))
}

/// Version 1 knows half of the documents of version 2. The worker still runs.
async fn with_new_documents(app: &TestApp) -> Value {
    app.import(two_kinds(1, 66, LABELS)).await;
    train(app, 1).await;
    app.import(two_kinds(1, 132, LABELS)).await;
    train(app, 2).await
}

#[tokio::test]
async fn an_old_version_is_evaluated_on_new_documents_and_the_comparison_uses_them() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    let second = with_new_documents(&app).await;
    let api = app.api();

    let before = api.json(COMPARE).await;
    let (field, suggestion) = (&before["fields"][0], &before["suggestions"][0]);
    let new = field["only_candidate"].as_u64().unwrap();
    let common = field["comparison"]["examples"].as_u64().unwrap();
    assert!(new > 0 && common > 0, "{before}");
    assert_eq!((&field["unpredicted_by_baseline"], &field["unpredicted_by_candidate"]), (&json!(new), &json!(0)), "{before}");
    assert_eq!((&suggestion["side"], &suggestion["documents"]), (&json!("baseline"), &json!(new)), "{before}");
    assert_eq!((&suggestion["body"], before["suggestions"].as_array().unwrap().len()), (&evaluation(1), 1), "{before}");
    let command = text(&suggestion["command"]);
    assert_eq!(command, "aprendiz eval --model m --number 1 --wait");
    let shown = app.env.cli(&app.server, &["model", "compare", "m", "--baseline", "1"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&command), "{shown:?}");

    // the command of the suggestion
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let id = parse_id(&app.cli(&words));
    let run = app.run(id).await;
    assert_eq!((&run["status"], &run["spec"]["model_version"], &run["model_version"]), (&json!("succeeded"), &json!(1), &Value::Null));
    assert_eq!(metric(&app, id, "examples").await["value"].as_f64(), Some((common + new) as f64));
    let excluded = metric(&app, id, "excluded_documents").await;
    assert_eq!((excluded["value"].as_f64(), &excluded["details"]), (Some(0.0), &json!({ "train": 0, "validation": 0 })));
    let wrong = metric(&app, id, "errors").await["value"].as_f64().unwrap();
    let errors = api.json(&format!("/v1/training-runs/{id}/errors")).await;
    assert_eq!(errors["items"].as_array().unwrap().len() as f64, wrong, "{errors}");
    let explained = api.json(&format!("/v1/training-runs/{id}/explain")).await;
    assert!(text(&explained["summary"]).contains("m version 1 is evaluated"), "{explained}");
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE key LIKE 'evaluations/%' AND state = 'live'").await, 1);
    objects::check(&app).await;

    let after = api.json(COMPARE).await;
    let field = &after["fields"][0];
    assert_eq!((&after["suggestions"], &after["exclusions"]), (&json!([]), &json!([])), "{after}");
    let used = &after["evaluations"][0];
    assert_eq!((&used["run_id"], &used["side"], &used["number"]), (&json!(id), &json!("baseline"), &json!(1)), "{after}");
    assert_eq!(field["comparison"]["examples"], common + new, "{after}");
    assert_eq!((&field["only_candidate"], &after["gate"]["fields"][0]["n"]), (&json!(0), &field["comparison"]["n"]), "{after}");

    let path = format!("/v1/training-runs/compare?baseline={id}&candidate={}", text(&second["id"]));
    let runs = api.json(&path).await;
    assert_eq!((&runs["baseline"]["evaluation_run_id"], &runs["candidate"]["evaluation_run_id"]), (&json!(id), &Value::Null), "{runs}");
    assert_eq!(runs["fields"][0]["comparison"]["examples"], common + new, "{runs}");

    let cloned = expect_json(api.post(&format!("/v1/training-runs/{id}/clone")).json(&json!({})), 202).await;
    assert_eq!(cloned["spec"]["model_version"], 1, "{cloned}");
    let again = app.wait_for_success(parse_id(&cloned)).await;
    assert_eq!(metric(&app, parse_id(&again), "examples").await["value"].as_f64(), Some((common + new) as f64));
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn documents_that_a_version_was_trained_or_selected_on_are_excluded_and_counted() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    app.import(two_kinds(1, 66, LABELS)).await;
    train(&app, 1).await;
    // two documents of train and one of validation become test documents
    app.execute(
        "WITH latest AS (SELECT DISTINCT ON (document_id) * FROM document_splits ORDER BY document_id, version DESC),
            moved AS ((SELECT * FROM latest WHERE split = 'train' ORDER BY document_id LIMIT 2)
                UNION ALL (SELECT * FROM latest WHERE split = 'validation' ORDER BY document_id LIMIT 1))
         INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
         SELECT document_id, version + 1, group_key, 'test', 'hash', next_position() FROM moved",
    )
    .await;
    let id = app.create_run(&evaluation(1)).await;
    app.wait_for_success(id).await;
    let excluded = metric(&app, id, "excluded_documents").await;
    assert_eq!((excluded["value"].as_f64(), &excluded["details"]), (Some(3.0), &json!({ "train": 2, "validation": 1 })), "{excluded}");
    let logs = app.env.cli(&app.server, &["run", "logs", &id.to_string()]);
    assert!(String::from_utf8_lossy(&logs.stdout).contains("3 test documents excluded"), "{logs:?}");

    train(&app, 2).await;
    let compared = app.api().json(COMPARE).await;
    let exclusion = |reason: &str, documents: u64| json!({ "side": "baseline", "reason": reason, "documents": documents, "run_id": null });
    assert_eq!(compared["exclusions"], json!([exclusion("trained", 2), exclusion("selected", 1)]), "{compared}");
    assert_eq!(compared["fields"][0]["only_candidate"], 3, "{compared}");
    assert_eq!((&compared["suggestions"], &compared["fields"][0]["unpredicted_by_baseline"]), (&json!([]), &json!(0)), "{compared}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn an_erasure_deletes_the_predictions_of_evaluations() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    let second = with_new_documents(&app).await;
    let api = app.api();
    let id = app.create_run(&evaluation(1)).await;
    app.wait_for_success(id).await;
    assert_eq!(api.json(COMPARE).await["evaluations"][0]["run_id"], json!(id));

    let events = api.json(&format!("/v1/datasets/{}/events?limit=1", text(&second["dataset_id"]))).await;
    let document = text(&events["items"][0]["document_id"]);
    expect_json(api.post(&format!("/v1/documents/{document}/erase")).json(&json!({ "reason": "request 7" })), 200).await;
    assert_eq!(app.count("SELECT count(*) FROM objects WHERE key LIKE 'evaluations/%' AND state = 'live'").await, 0);
    let compared = api.json(COMPARE).await;
    let erased = json!({ "side": "baseline", "reason": "evaluation_erased", "documents": null, "run_id": id });
    assert_eq!((&compared["evaluations"], &compared["exclusions"][0]), (&json!([]), &erased), "{compared}");
    assert_eq!(compared["suggestions"][0]["side"], "baseline", "{compared}");
    let path = format!("/v1/training-runs/compare?baseline={id}&candidate={}", text(&second["id"]));
    assert_eq!(expect_json(api.get(&path), 410).await["code"], "evaluation_erased");

    let again = app.create_run(&evaluation(1)).await;
    app.wait_for_success(again).await;
    let compared = api.json(COMPARE).await;
    assert_eq!((&compared["evaluations"][0]["run_id"], &compared["suggestions"]), (&json!(again), &json!([])), "{compared}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_version_without_files_or_that_is_retired_is_not_evaluated() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    app.import(two_kinds(1, 66, LABELS)).await;
    train(&app, 1).await;
    drop(worker);
    let api = app.api();
    let create = |number: i64| api.post("/v1/training-runs").json(&evaluation(number));
    assert_eq!(expect_json(create(9), 422).await["code"], "unknown_version");
    let kind = |kind: &str| format!("UPDATE model_versions SET card = jsonb_set(card, '{{kind}}', '\"{kind}\"')");
    app.execute(&kind("sentence-transformer")).await;
    let problem = expect_json(create(1), 422).await;
    assert_eq!(problem["code"], "kind_not_evaluated", "{problem}");
    assert!(text(&problem["detail"]).contains("`sentence-transformer`"), "{problem}");
    app.execute(&kind("linear")).await;

    let waiting = parse_id(&expect_json(create(1), 202).await);
    let retired = json!({ "reason": "replaced", "force": true });
    expect_json(api.post("/v1/models/m/versions/1/retire").json(&retired), 200).await;
    assert_eq!(expect_json(create(1), 409).await["code"], "version_retired");
    let delete = || api.request(Method::DELETE, "/v1/models/m/versions/1/files").query(&[("reason", "an old format")]);
    let refused = expect_json(delete(), 409).await;
    assert_eq!(refused["code"], "version_in_use", "{refused}");
    assert!(text(&refused["detail"]).contains(&waiting.to_string()), "{refused}");

    let worker = app.env.worker("worker", &[]);
    let (code, error) = app.wait_for_failure(waiting).await;
    assert!(code == "version_retired" && error.contains("evaluate another version"), "{code}: {error}");
    drop(worker);
    expect_json(delete(), 200).await;
    assert_eq!(expect_json(create(1), 410).await["code"], "files_deleted");
    app.finish().await;
}
