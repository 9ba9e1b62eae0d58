//! Evidence for predictions: copies count once, a text without known features is not answered, and missing measurements are reported first.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use super::tiny_encoder::{base_models, start_worker};
use crate::fixture::{TestApp, get_bytes, text};

fn fixture(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Distinct texts of two classes that are easy to distinguish.
fn easy_texts(texts: u64, project: u64) -> Vec<u8> {
    let tasks: Vec<Value> = (0..texts)
        .map(|number| {
            let (kind, word) = if number % 2 == 0 { ("lease", "tenant landlord premises") } else { ("supply", "goods buyer delivery") };
            let own: String = (0..12).map(|word| format!(" w{}", (number * 31 + word * 7919) % 9973)).collect();
            let choice = json!({ "id": "c", "from_name": "kind", "to_name": "text", "type": "choices", "value": { "choices": [kind] } });
            let time = "2025-03-02T10:00:00.000000Z";
            json!({
                "id": project * 1000 + number, "project": project, "data": { "text": format!("{word}{own} {word}") }, "predictions": [],
                "annotations": [{ "id": project * 1000 + number, "completed_by": 1, "result": [choice], "created_at": time, "updated_at": time }],
            })
        })
        .collect();
    serde_json::to_vec(&tasks).unwrap()
}

/// Values of a metric on the test split by field; the aggregate has no field.
async fn metric(app: &TestApp, id: Uuid, field: Option<&str>, name: &str) -> Option<f64> {
    sqlx::query_scalar("SELECT value FROM metrics WHERE run_id = $1 AND split = 'test' AND field IS NOT DISTINCT FROM $2 AND name = $3")
        .bind(id)
        .bind(field)
        .bind(name)
        .fetch_optional(app.pool())
        .await
        .unwrap()
        .flatten()
}

/// Texts of the log events of a run.
async fn log(app: &TestApp, id: Uuid) -> Vec<String> {
    let sql = "SELECT payload->>'text' FROM run_events WHERE run_id = $1 AND kind = 'log' AND payload ? 'text' ORDER BY sequence";
    sqlx::query_scalar(sql).bind(id).fetch_all(app.pool()).await.unwrap()
}

async fn model_file(app: &TestApp, id: Uuid, file: &str) -> String {
    let bytes = get_bytes(&app.api(), &format!("/v1/training-runs/{id}/model?file={file}")).await;
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn train(app: &TestApp, spec: Value) -> Uuid {
    let id = app.create_run(&spec).await;
    app.wait_for_success(id).await;
    id
}

/// What a command of the command line shows.
fn shown(app: &TestApp, arguments: &[&str]) -> String {
    let output = app.env.cli(&app.server, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn copies_under_other_ids_reach_no_threshold() {
    let app = TestApp::with_import(easy_texts(66, 1)).await;
    let worker = app.env.worker("worker", &[]);
    let once = train(&app, json!({ "model": "once" })).await;
    app.import(easy_texts(66, 2)).await;
    let twice = train(&app, json!({ "model": "twice" })).await;
    drop(worker);

    let kind = Some("kind");
    let train_documents: Value = serde_json::from_str(&model_file(&app, twice, "config.json").await).unwrap();
    assert!(train_documents["training"]["train_documents"].as_u64().unwrap() > 59, "copies alone would be enough examples");
    for id in [once, twice] {
        let config: Value = serde_json::from_str(&model_file(&app, id, "config.json").await).unwrap();
        assert_eq!(config["fields"][0]["threshold_status"], "target_unreachable", "{config}");
    }
    let n = metric(&app, once, kind, "n").await.unwrap();
    assert!(n > 3.0 && metric(&app, once, kind, "examples").await == Some(n));
    assert_eq!(metric(&app, twice, kind, "n").await, Some(n));
    assert_eq!(metric(&app, twice, kind, "examples").await, Some(2.0 * n));

    let copies = format!("kind: {n:.0} of {:.0} test examples are near-duplicates of another one, so n is {n:.0}", 2.0 * n);
    assert!(shown(&app, &["run", "get", &twice.to_string()]).starts_with(&format!("warning: {copies}\n")));
    assert!(log(&app, twice).await.contains(&format!("warning: {copies}")));
    assert!(model_file(&app, twice, "README.md").await.contains(&copies));
    let report = shown(&app, &["dataset", "report", &twice.to_string()]);
    assert!(report.starts_with("132 examples, 66 of them copies (near-duplicates count once)"), "{report}");
    app.finish().await;
}

#[tokio::test]
async fn copies_do_not_support_a_label() {
    // 6 copies of one text are one piece of evidence, fewer than two
    let app = TestApp::with_import(fixture("20-rare-class-in-one-group/export.json")).await;
    let worker = app.env.worker("worker", &[]);
    let id = train(&app, json!({ "model": "rare" })).await;
    let all = train(&app, json!({ "model": "all", "data": { "min_support": 1 } })).await;
    drop(worker);
    let dataset = text(&app.run(id).await["dataset_id"]);
    let counts = app.api().json(&format!("/v1/datasets/{dataset}")).await;
    let excluded = counts["counts"]["fields"]["kind"]["excluded"].as_array().unwrap().clone();
    let of_group = excluded.iter().find(|excluded| excluded["label"] == "one-group").unwrap_or_else(|| panic!("{excluded:?}"));
    assert_eq!((&of_group["count"], &of_group["groups"], &of_group["reason"]), (&json!(6), &json!(1), &json!("min_support")));

    // with every label, those that train does not have are named wherever the metrics are
    let unlearnable = metric(&app, all, Some("kind"), "unlearnable_examples").await;
    let examples = metric(&app, all, Some("kind"), "examples").await.unwrap();
    let readme = model_file(&app, all, "README.md").await;
    let config: Value = serde_json::from_str(&model_file(&app, all, "config.json").await).unwrap();
    match unlearnable {
        Some(unlearnable) => {
            let finding = format!("kind: {unlearnable:.0} of {examples:.0} test examples have a label that train does not have");
            assert!(readme.contains(&finding), "{readme}");
            assert!(shown(&app, &["run", "get", &all.to_string()]).contains(&format!("warning: {finding}")));
        }
        None => assert_eq!(config["fields"][0]["unlearnable"], json!([])),
    }
    for line in model_file(&app, all, "test_predictions.jsonl").await.lines() {
        let confidence = serde_json::from_str::<Value>(line).unwrap()["confidence"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&confidence), "{line}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_model_of_one_template_says_first_that_nothing_was_measured() {
    let app = TestApp::with_import(fixture("17-one-template/export.json")).await;
    let worker = app.env.worker("worker", &[]);
    let id = train(&app, json!({ "model": "leases", "data": { "min_support": 1 } })).await;
    drop(worker);
    let first = "nothing was measured: the test split has no example of the trained fields; import and review documents that are not";
    assert!(shown(&app, &["run", "get", &id.to_string()]).starts_with(&format!("warning: {first}")));
    assert!(shown(&app, &["run", "metrics", &id.to_string()]).starts_with(&format!("warning: {first}")));
    assert!(shown(&app, &["model", "versions", "leases"]).starts_with(&format!("warning: version 1: {first}")));
    assert!(text(&app.run(id).await["warnings"][0]).starts_with(first));
    let version = app.api().json("/v1/models/leases/versions/1").await;
    assert!(text(&version["card"]["warnings"][0]).starts_with(first), "{version}");
    let explained = shown(&app, &["run", "explain", &id.to_string()]);
    assert!(explained.contains("but nothing was measured") && explained.contains(first), "{explained}");
    let events = log(&app, id).await;
    let group = "warning: 40 of 40 examples are one group of near-duplicates, all in train";
    let empty = "warning: the test split has no examples: nothing can be measured";
    for start in [group, empty, &format!("warning: {first}")] {
        assert!(events.iter().any(|event| event.starts_with(start)), "{start}: {events:?}");
    }
    let readme = model_file(&app, id, "README.md").await;
    let warning = readme.lines().find(|line| line.starts_with('>')).unwrap();
    assert!(warning.starts_with(&format!("> **Warning.** {first}")), "{readme}");
    let card: Value = sqlx::query_scalar("SELECT card FROM model_versions WHERE run_id = $1").bind(id).fetch_one(app.pool()).await.unwrap();
    assert!(text(&card["warnings"][0]).starts_with("nothing was measured"), "{card}");
    let report = shown(&app, &["dataset", "report", &id.to_string()]);
    assert!(report.starts_with("warning: the test split has no examples"), "{report}");
    app.finish().await;
}

#[tokio::test]
async fn one_template_in_test_fails_with_the_reason() {
    let app = TestApp::with_import(fixture("17-one-template/export.json")).await;
    app.execute("ALTER TABLE document_splits DISABLE TRIGGER USER; UPDATE document_splits SET split = 'test'; ALTER TABLE document_splits ENABLE TRIGGER USER")
        .await;
    let worker = app.env.worker("worker", &[]);
    let id = app.create_run(&json!({ "model": "leases" })).await;
    let (code, reason) = app.wait_for_failure(id).await;
    drop(worker);
    assert_eq!(code, "no_trainable_field");
    assert!(
        reason.contains("the train split has no examples: nothing can be learned; import documents that are not near-duplicates"),
        "{reason}"
    );
    assert!(reason.contains("40 of 40 examples are one group of near-duplicates, all in test"), "{reason}");
    app.finish().await;
}

#[tokio::test]
async fn a_text_without_known_features_is_never_answered() {
    let app = TestApp::with_import(fixture("21-texts-without-words/export.json")).await;
    let worker = app.env.worker("worker", &[]);
    // a target that every threshold reaches
    let id = train(&app, json!({ "model": "m", "target_accuracy": 0.01 })).await;
    drop(worker);
    let config: Value = serde_json::from_str(&model_file(&app, id, "config.json").await).unwrap();
    let field = &config["fields"][0];
    assert_eq!(field["threshold_status"], "ok", "{field}");
    let counts: Vec<u64> = field["train_counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
    let share = *counts.iter().max().unwrap() as f64 / counts.iter().sum::<u64>() as f64;

    let unknown = ["", " \n", "합의서 본 계약은", "완전히 다른 텍스트", "\u{200B}", "ᚠᚢᚦ"];
    let answer = app.api().post("/v1/models/m/predict").json(&json!({ "texts": unknown })).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    for (text, prediction) in unknown.iter().zip(answer["predictions"].as_array().unwrap()) {
        let answer = &prediction["fields"][0];
        assert_eq!((&prediction["no_known_feature"], &answer["answered"]), (&json!(true), &json!(false)), "{text:?}: {prediction}");
        assert!((answer["confidence"].as_f64().unwrap() - share).abs() < 1e-12, "{text:?}: {prediction}");
    }
    let known = app.api().post("/v1/models/m/predict").json(&json!({ "text": "1 0 § — …" })).send().await.unwrap();
    let known: Value = known.json().await.unwrap();
    assert_eq!(known["predictions"][0]["no_known_feature"], false, "{known}");

    let empty = app.env.folder().join("empty.txt");
    fs::write(&empty, "").unwrap();
    let shown = shown(&app, &["predict", "--model", "m", empty.to_str().unwrap()]);
    assert!(shown.contains("no known feature in this text: nothing is answered"), "{shown}");
    assert!(!shown.contains("accept"), "{shown}");
    app.finish().await;
}

#[tokio::test]
async fn pairs_of_one_end_with_a_reason_or_a_model() {
    let app = TestApp::start().await;
    let folder = base_models(&app);
    let worker = start_worker(&app, "worker", &folder, &[]);
    for (project, (file, spec, code)) in [
        ("only-one-class.json", json!({}), Some("no_trainable_field")),
        ("each-once.json", json!({ "params": { "examples_per_class": 8 } }), Some("no_trainable_field")),
        ("one-against-many.json", json!({}), None),
    ]
    .into_iter()
    .enumerate()
    {
        // the three files have the same ids
        let mut documents: Vec<Value> = serde_json::from_slice(&fixture(&format!("22-pairs-of-one/{file}"))).unwrap();
        documents.iter_mut().for_each(|document| document["project"] = json!(project));
        app.import(serde_json::to_vec(&documents).unwrap()).await;
        let mut spec = spec;
        spec["model"] = json!(format!("pairs-{project}"));
        spec["kind"] = json!("sentence-transformer");
        spec["base_model"] = json!("tiny");
        let pairs = json!({ "per_label": 8, "max_chars": 200 });
        spec["data"] = json!({ "fields": ["kind"], "min_support": 1, "filter": { "project": project.to_string() }, "pairs": pairs });
        let id = app.create_run(&spec).await;
        match code {
            Some(code) => assert_eq!(app.wait_for_failure(id).await.0, code, "{file}"),
            None => drop(app.wait_for_success(id).await),
        }
    }
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn many_positives_in_a_batch_keep_the_loss_finite() {
    let app = TestApp::with_import(fixture("23-many-positives-in-a-batch/two-classes.json")).await;
    let folder = base_models(&app);
    let worker = start_worker(&app, "worker", &folder, &[]);
    for batch in [13, 16] {
        let spec = json!({
            "model": format!("batch-{batch}"), "kind": "sentence-transformer", "base_model": "tiny",
            "params": { "loss": "multiple-negatives", "batch": batch },
            "data": { "fields": ["kind"], "pairs": { "per_label": 16, "max_chars": 200 } },
        });
        let id = app.create_run(&spec).await;
        app.wait_for_success(id).await;
        let losses: Vec<Option<f64>> =
            sqlx::query_scalar("SELECT (payload->>'loss')::float8 FROM run_events WHERE run_id = $1 AND payload ? 'loss'")
                .bind(id)
                .fetch_all(app.pool())
                .await
                .unwrap();
        assert!(losses.iter().flatten().all(|loss| loss.is_finite()), "{losses:?}");
    }
    drop(worker);
    app.finish().await;
}
