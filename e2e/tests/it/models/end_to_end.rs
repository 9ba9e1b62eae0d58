//! From a reviewed export to a model that is downloaded and predicts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::{DOCUMENTS, FIELDS, contracts, gzip};
use crate::fixture::objects::{self, sha256};
use crate::fixture::{TestApp, expect_json, get_bytes, parse_id, parse_json_lines, text};

/// Maximum number of texts in a request.
const MAX_TEXTS: usize = 64;

#[tokio::test]
async fn reviewed_annotations_train_a_model_that_predicts_as_it_was_evaluated() {
    let app = TestApp::start().await;
    import(&app).await;
    let workers = ["worker-1", "worker-2"].map(|name| app.env.worker(name, &[]));

    let run = app.cli(&["run", "create", "--model", "contracts", "--watch"]);
    assert_eq!((&run["status"], &run["model_version"]), (&json!("succeeded"), &json!(1)), "{run}");
    let id = parse_id(&run);
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);

    check_metrics(&app, id, &run).await;
    check_dataset(&app, &run).await;
    check_model(&app).await;
    check_predictions(&app, id).await;
    objects::check(&app).await;
    drop(workers);
    app.finish().await;
}

/// Imports the sample three times: plain, compressed, from standard input. The second and third import change nothing.
async fn import(app: &TestApp) {
    let export = contracts();
    let (plain, packed) = (app.env.folder().join("contracts.json"), app.env.folder().join("contracts.json.gz"));
    fs::write(&plain, &export).expect("the folder can be written");
    fs::write(&packed, gzip(&export)).expect("the folder can be written");

    // the text output counts documents by field and status
    let output = app.env.cli(&app.server, &["import", plain.to_str().expect("a plain path")]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && shown.starts_with(&format!("imported {DOCUMENTS} tasks")), "{output:?}");
    let row = shown.lines().find(|line| line.starts_with("contract_type ")).unwrap_or_else(|| panic!("no row: {shown}"));
    let cells: Vec<i64> = row.split_whitespace().skip(1).map(|cell| cell.parse().expect("a count")).collect();
    let stored: Vec<i64> = sqlx::query_scalar(
        "SELECT count(a.field) FROM unnest(enum_range(NULL::review_status)) WITH ORDINALITY AS s (status, position)
         LEFT JOIN annotations a ON a.field = 'contract_type' AND a.review_status = s.status GROUP BY s.position ORDER BY s.position",
    )
    .fetch_all(app.pool())
    .await
    .expect("the annotations can be counted");
    assert_eq!(cells, stored, "{shown}");
    assert!(stored[..3].iter().all(|count| *count > 0), "{shown}");
    let events = app.count("SELECT count(*) FROM annotation_events").await;

    let report = app.cli(&["import", packed.to_str().expect("a plain path")]);
    assert_eq!((&report["documents_unchanged"], &report["events_created"]), (&json!(DOCUMENTS), &json!(0)), "{report}");
    // the state of the documents is unchanged
    assert_eq!(report["fields"]["contract_type"]["OK"], stored[0], "{report}");
    let mut command = app.env.command("aprendiz");
    command.args(["import", "-"]).env("APRENDIZ_URL", app.server.url()).env("APRENDIZ_API_KEY", app.server.admin_key());
    let output = command.stdin(fs::File::open(&packed).expect("it was written")).output().expect("aprendiz starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(app.count("SELECT count(*) FROM annotation_events").await, events);
    assert_eq!(app.count("SELECT count(*) FROM documents").await, DOCUMENTS.cast_signed());
}

/// Checks that the command line shows the metrics of the database, and that every field has all metrics.
async fn check_metrics(app: &TestApp, id: Uuid, run: &Value) {
    let rows: Vec<(Option<String>, String, Option<f64>)> =
        sqlx::query_as("SELECT field, name, value FROM metrics WHERE run_id = $1 AND split = 'test' ORDER BY id")
            .bind(id)
            .fetch_all(app.pool())
            .await
            .unwrap();
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (field, name, _) in &rows {
        fields.entry(field.clone().unwrap_or_default()).or_default().insert(name.clone());
    }
    // the entry without a field is the aggregate of all fields
    assert_eq!(fields.len(), FIELDS + 1, "{:?}", fields.keys());
    for (field, names) in fields.iter().filter(|(field, _)| !field.is_empty()) {
        for name in [
            "n",
            "accuracy",
            "macro_f1",
            "weighted_f1",
            "confusion",
            "coverage",
            "selective_accuracy",
            "majority_baseline",
            "log_loss",
            "ece",
        ] {
            assert!(names.contains(name), "{field} has no {name}: {names:?}");
        }
    }
    let shown = run["metrics"].as_array().expect("run create --watch shows metrics");
    assert_eq!(app.cli(&["run", "get", &id.to_string()])["metrics"], run["metrics"]);
    for (field, name, value) in &rows {
        let same = |metric: &&Value| metric["split"] == "test" && metric["field"] == json!(field) && metric["name"] == json!(name);
        let metric = shown.iter().find(same).unwrap_or_else(|| panic!("{field:?} {name} is not shown"));
        // a printed and parsed number may differ in its last bit
        let close = |shown: f64| value.is_some_and(|stored| (shown - stored).abs() <= stored.abs() * f64::EPSILON);
        assert!(metric["value"].as_f64().map_or(value.is_none(), close), "{field:?} {name}: {} is not {value:?}", metric["value"]);
    }
    assert_eq!(app.count("SELECT count(*) FROM metrics WHERE model_version_id IS NULL").await, 0);
}

/// Checks that archive, single files and the download of the command line contain the files of the row.
async fn check_dataset(app: &TestApp, run: &Value) {
    let id = text(&run["dataset_id"]);
    let dataset = app.api().json(&format!("/v1/datasets/{id}")).await;
    let listed: BTreeMap<String, String> =
        dataset["files"].as_array().expect("a list").iter().map(|file| (text(&file["path"]), text(&file["sha256"]))).collect();
    for split in ["train", "validation", "test"] {
        for suffix in [format!("{split}.jsonl"), format!("{split}-00000-of-00001.parquet")] {
            assert!(listed.keys().any(|path| path.ends_with(&suffix)), "{suffix}: {listed:?}");
        }
    }
    let run_id = text(&run["id"]);
    assert_eq!(entries(&get_bytes(&app.api(), &format!("/v1/training-runs/{run_id}/dataset")).await), listed);
    for (path, hash) in &listed {
        assert_eq!(&sha256(&get_bytes(&app.api(), &format!("/v1/datasets/{id}/files/{path}")).await), hash, "{path}");
    }
    let mut documents = BTreeSet::new();
    for split in ["train", "validation", "test"] {
        let body = get_bytes(&app.api(), &format!("/v1/training-runs/{run_id}/dataset?format=jsonl&split={split}")).await;
        let examples = parse_json_lines(&body);
        assert!(!examples.is_empty(), "{split}");
        // no document is in two examples, of any split
        assert!(examples.iter().all(|example| example["split"] == split && documents.insert(text(&example["document_id"]))));
    }
    assert_eq!(dataset["examples"], documents.len());

    let dir = app.env.folder().join("dataset");
    let downloaded = app.cli(&["dataset", "download", &run_id, "-d", dir.to_str().expect("a plain path")]);
    assert_eq!(downloaded["files"].as_array().map(Vec::len), Some(listed.len()));
    for (path, hash) in &listed {
        assert_eq!(&sha256(&fs::read(dir.join(path)).expect("it was downloaded")), hash, "{path}");
    }
}

/// Checks that the downloaded directory contains exactly the files of the manifest.
async fn check_model(app: &TestApp) {
    let dir = app.env.folder().join("model");
    let downloaded = app.cli(&["model", "download", "contracts", "-d", dir.to_str().expect("a plain path")]);
    assert_eq!(downloaded["number"], 1);
    let manifest: Value = serde_json::from_slice(&fs::read(dir.join("manifest.json")).expect("it was downloaded")).expect("JSON");
    let mut listed: BTreeMap<String, String> =
        manifest["files"].as_array().expect("a list").iter().map(|file| (text(&file["path"]), text(&file["sha256"]))).collect();
    for needed in ["config.json", "model.safetensors", "metrics.json", "test_predictions.jsonl", "README.md", "card.json", "card.html"] {
        assert!(listed.contains_key(needed), "{needed}: {listed:?}");
    }
    for (path, hash) in &listed {
        assert_eq!(&sha256(&fs::read(dir.join(path)).expect("it was downloaded")), hash, "{path}");
    }
    listed.insert("manifest.json".to_owned(), sha256(&fs::read(dir.join("manifest.json")).expect("it was downloaded")));
    let version = app.api().json("/v1/models/contracts/versions/1").await;
    assert_eq!(version["manifest_sha256"], listed["manifest.json"]);
    assert_eq!(entries(&get_bytes(&app.api(), &format!("/v1/training-runs/{}/model", text(&version["run_id"]))).await), listed);
}

/// Checks that predictions of test documents equal the evaluated values and confidences to the last bit.
async fn check_predictions(app: &TestApp, id: Uuid) {
    let examples = parse_json_lines(&get_bytes(&app.api(), &format!("/v1/training-runs/{id}/dataset?format=jsonl&split=test")).await);
    let scored = parse_json_lines(&get_bytes(&app.api(), &format!("/v1/training-runs/{id}/model?file=test_predictions.jsonl")).await);
    let mut answers = BTreeMap::new();
    for chunk in examples.chunks(MAX_TEXTS) {
        let texts: Vec<&Value> = chunk.iter().map(|example| &example["text"]).collect();
        let response = expect_json(app.api().post("/v1/models/contracts/predict").json(&json!({ "texts": texts })), 200).await;
        let predictions = response["predictions"].as_array().expect("a list");
        assert_eq!(predictions.len(), chunk.len());
        for (example, prediction) in chunk.iter().zip(predictions) {
            for answer in prediction["fields"].as_array().expect("a list") {
                answers.insert((text(&example["document_id"]), text(&answer["field"])), answer.clone());
            }
        }
    }
    let fields: BTreeSet<String> = scored.iter().map(|line| text(&line["field"])).collect();
    assert_eq!(fields.len(), FIELDS);
    for line in &scored {
        let answer = &answers[&(text(&line["document_id"]), text(&line["field"]))];
        let value: Vec<&Value> = Some(&line["value"]).filter(|value| !value.is_null()).into_iter().collect();
        assert_eq!(
            (&answer["value"], &answer["confidence"], &answer["expect_json"]),
            (&json!(value), &line["confidence"], &line["expect_json"]),
            "{line}"
        );
    }

    // the command line uses the same model
    let file = app.env.folder().join("contract.txt");
    fs::write(&file, text(&examples[0]["text"])).expect("the folder can be written");
    let response = app.cli(&["predict", "--model", "contracts", file.to_str().expect("a plain path")]);
    for answer in response["predictions"][0]["fields"].as_array().expect("a list") {
        assert_eq!(*answer, answers[&(text(&examples[0]["document_id"]), text(&answer["field"]))]);
    }
}

/// Path below the top folder, and SHA-256, of each file in a tar archive.
fn entries(archive: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("a tar");
    let files = entries.map(|entry| {
        let mut entry = entry.expect("a whole entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let (_, path) = path.split_once('/').expect("files lie in one folder");
        let path = path.to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("a whole entry");
        (path, sha256(&bytes))
    });
    files.collect()
}
