//! The whole way once: from a reviewed export to a model that is downloaded and asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::export::{DOCUMENTS, FIELDS, contracts, gzip};
use crate::objects::{self, sha256};
use crate::site::{Site, answered, bytes, id_of, lines, text};

/// Texts that one request may hold.
const TEXTS: usize = 64;

#[tokio::test]
async fn reviewed_annotations_become_a_published_model_that_answers_as_it_was_measured() {
    let site = Site::start().await;
    import(&site).await;
    let workers = ["worker-1", "worker-2"].map(|name| site.env.worker(name, &[]));

    let run = site.cli(&["run", "create", "--model", "contracts", "--watch"]);
    assert_eq!((&run["status"], &run["model_version"]), (&json!("succeeded"), &json!(1)), "{run}");
    let id = id_of(&run);
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 1);
    assert_eq!(site.count("SELECT count(*) FROM datasets").await, 1);

    check_metrics(&site, id, &run).await;
    check_dataset(&site, &run).await;
    check_model(&site).await;
    check_predictions(&site, id).await;
    objects::check(&site).await;
    drop(workers);
    site.finish().await;
}

/// Plain, compressed and through a pipe: the second and the third time change nothing.
async fn import(site: &Site) {
    let export = contracts();
    let (plain, packed) = (site.env.folder().join("contracts.json"), site.env.folder().join("contracts.json.gz"));
    fs::write(&plain, &export).expect("the folder can be written");
    fs::write(&packed, gzip(&export)).expect("the folder can be written");

    // as people see it: documents by field and status
    let output = site.env.cli(&site.server, &["import", plain.to_str().expect("a plain path")]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.starts_with(&format!("imported {DOCUMENTS} tasks")), "{output:?}");
    let row = said.lines().find(|line| line.starts_with("contract_type ")).unwrap_or_else(|| panic!("no row: {said}"));
    let shown: Vec<i64> = row.split_whitespace().skip(1).map(|cell| cell.parse().expect("a count")).collect();
    let stored: Vec<i64> = sqlx::query_scalar(
        "SELECT count(a.field) FROM unnest(enum_range(NULL::review_status)) WITH ORDINALITY AS s (status, place)
         LEFT JOIN annotations a ON a.field = 'contract_type' AND a.review_status = s.status GROUP BY place ORDER BY place",
    )
    .fetch_all(site.pool())
    .await
    .expect("the annotations can be counted");
    assert_eq!(shown, stored, "{said}");
    assert!(stored[..3].iter().all(|count| *count > 0), "{said}");
    let events = site.count("SELECT count(*) FROM annotation_events").await;

    let report = site.cli(&["import", packed.to_str().expect("a plain path")]);
    assert_eq!((&report["documents_unchanged"], &report["events_created"]), (&json!(DOCUMENTS), &json!(0)), "{report}");
    // the state of its documents is that of before
    assert_eq!(report["fields"]["contract_type"]["OK"], stored[0], "{report}");
    let mut command = site.env.command("aprendiz");
    command.args(["import", "-"]).env("APRENDIZ_URL", site.server.url()).env("APRENDIZ_API_KEY", site.server.admin_key());
    let output = command.stdin(fs::File::open(&packed).expect("it was written")).output().expect("aprendiz starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(site.count("SELECT count(*) FROM annotation_events").await, events);
    assert_eq!(site.count("SELECT count(*) FROM documents").await, DOCUMENTS.cast_signed());
}

/// The same numbers in SQL and from the command line, for every field, with all that belongs to a field.
async fn check_metrics(site: &Site, id: Uuid, run: &Value) {
    let rows: Vec<(Option<String>, String, Option<f64>)> =
        sqlx::query_as("SELECT field, name, value FROM metrics WHERE run_id = $1 AND split = 'test' ORDER BY id")
            .bind(id)
            .fetch_all(site.pool())
            .await
            .unwrap();
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (field, name, _) in &rows {
        fields.entry(field.clone().unwrap_or_default()).or_default().insert(name.clone());
    }
    // the entry without a field is over all fields
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
    assert_eq!(site.cli(&["run", "get", &id.to_string()])["metrics"], run["metrics"]);
    for (field, name, value) in &rows {
        let same = |metric: &&Value| metric["split"] == "test" && metric["field"] == json!(field) && metric["name"] == json!(name);
        let metric = shown.iter().find(same).unwrap_or_else(|| panic!("{field:?} {name} is not shown"));
        // a number that was printed and read may differ in its last bit
        let close = |shown: f64| value.is_some_and(|stored| (shown - stored).abs() <= stored.abs() * f64::EPSILON);
        assert!(metric["value"].as_f64().map_or(value.is_none(), close), "{field:?} {name}: {} is not {value:?}", metric["value"]);
    }
    assert_eq!(site.count("SELECT count(*) FROM metrics WHERE model_version_id IS NULL").await, 0);
}

/// The tar, single files and the download of the command line hold what the row says.
async fn check_dataset(site: &Site, run: &Value) {
    let id = text(&run["dataset_id"]);
    let dataset = site.api().json(&format!("/v1/datasets/{id}")).await;
    let listed: BTreeMap<String, String> =
        dataset["files"].as_array().expect("a list").iter().map(|file| (text(&file["path"]), text(&file["sha256"]))).collect();
    for split in ["train", "validation", "test"] {
        for ending in [format!("{split}.jsonl"), format!("{split}-00000-of-00001.parquet")] {
            assert!(listed.keys().any(|path| path.ends_with(&ending)), "{ending}: {listed:?}");
        }
    }
    let run_id = text(&run["id"]);
    assert_eq!(entries(&bytes(&site.api(), &format!("/v1/training-runs/{run_id}/dataset")).await), listed);
    for (path, hash) in &listed {
        assert_eq!(&sha256(&bytes(&site.api(), &format!("/v1/datasets/{id}/files/{path}")).await), hash, "{path}");
    }
    let mut documents = BTreeSet::new();
    for split in ["train", "validation", "test"] {
        let body = bytes(&site.api(), &format!("/v1/training-runs/{run_id}/dataset?format=jsonl&split={split}")).await;
        let examples = lines(&body);
        assert!(!examples.is_empty(), "{split}");
        // no document twice, in whatever split
        assert!(examples.iter().all(|example| example["split"] == split && documents.insert(text(&example["document_id"]))));
    }
    assert_eq!(dataset["examples"], documents.len());

    let dir = site.env.folder().join("dataset");
    let fetched = site.cli(&["dataset", "download", &run_id, "-d", dir.to_str().expect("a plain path")]);
    assert_eq!(fetched["files"].as_array().map(Vec::len), Some(listed.len()));
    for (path, hash) in &listed {
        assert_eq!(&sha256(&fs::read(dir.join(path)).expect("it was fetched")), hash, "{path}");
    }
}

/// The directory holds what the manifest lists, and nothing else.
async fn check_model(site: &Site) {
    let dir = site.env.folder().join("model");
    let fetched = site.cli(&["model", "download", "contracts", "-d", dir.to_str().expect("a plain path")]);
    assert_eq!(fetched["number"], 1);
    let manifest: Value = serde_json::from_slice(&fs::read(dir.join("manifest.json")).expect("it was fetched")).expect("JSON");
    let mut listed: BTreeMap<String, String> =
        manifest["files"].as_array().expect("a list").iter().map(|file| (text(&file["path"]), text(&file["sha256"]))).collect();
    for needed in ["config.json", "model.safetensors", "metrics.json", "test_predictions.jsonl", "README.md"] {
        assert!(listed.contains_key(needed), "{needed}: {listed:?}");
    }
    for (path, hash) in &listed {
        assert_eq!(&sha256(&fs::read(dir.join(path)).expect("it was fetched")), hash, "{path}");
    }
    listed.insert("manifest.json".to_owned(), sha256(&fs::read(dir.join("manifest.json")).expect("it was fetched")));
    let version = site.api().json("/v1/models/contracts/versions/1").await;
    assert_eq!(version["manifest_sha256"], listed["manifest.json"]);
    assert_eq!(entries(&bytes(&site.api(), &format!("/v1/training-runs/{}/model", text(&version["run_id"]))).await), listed);
}

/// Asked about a test document, the model gives the value and confidence that were scored, to the last bit.
async fn check_predictions(site: &Site, id: Uuid) {
    let examples = lines(&bytes(&site.api(), &format!("/v1/training-runs/{id}/dataset?format=jsonl&split=test")).await);
    let scored = lines(&bytes(&site.api(), &format!("/v1/training-runs/{id}/model?file=test_predictions.jsonl")).await);
    let mut answers = BTreeMap::new();
    for some in examples.chunks(TEXTS) {
        let texts: Vec<&Value> = some.iter().map(|example| &example["text"]).collect();
        let said = answered(site.api().post("/v1/models/contracts/predict").json(&json!({ "texts": texts })), 200).await;
        let predictions = said["predictions"].as_array().expect("a list");
        assert_eq!(predictions.len(), some.len());
        for (example, prediction) in some.iter().zip(predictions) {
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
            (&answer["value"], &answer["confidence"], &answer["answered"]),
            (&json!(value), &line["confidence"], &line["answered"]),
            "{line}"
        );
    }

    // the command line asks the same model
    let file = site.env.folder().join("contract.txt");
    fs::write(&file, text(&examples[0]["text"])).expect("the folder can be written");
    let said = site.cli(&["predict", "--model", "contracts", file.to_str().expect("a plain path")]);
    for answer in said["predictions"][0]["fields"].as_array().expect("a list") {
        assert_eq!(*answer, answers[&(text(&examples[0]["document_id"]), text(&answer["field"]))]);
    }
}

/// Path below the folder of a tar, and hash, of each file in it.
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
