//! Snapshots looked at from outside: compared, verified, reported on, followed; and what an erasure leaves of them.

use serde_json::{Value, json};
use test_support::{TestEnv, wait_until};

use crate::export::contracts;
use crate::objects;
use crate::site::{PATIENCE, Site, answered, text};

/// The bucket is looked after every second.
const SWEEP: &[(&str, &str)] = &[("APRENDIZ_SWEEP_EVERY_SECONDS", "1")];

async fn trained() -> (Site, Value) {
    let env = TestEnv::start().await;
    let site = Site { server: env.serve_with(&[], SWEEP).await, env };
    site.import(contracts()).await;
    let worker = site.env.worker("worker", &[]);
    let run = site.create_run(&json!({ "model": "contracts", "data": { "fields": ["contract_type", "type_of_contract_l1"] } })).await;
    let run = site.succeeded(run).await;
    drop(worker);
    (site, run)
}

/// What the command line says where it must end with the code.
fn ends_with(site: &Site, arguments: &[&str], code: i32) -> String {
    let output = site.env.cli(&site.server, arguments);
    let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "aprendiz {arguments:?}: {words}");
    words
}

#[tokio::test]
async fn a_snapshot_is_verified_compared_reported_on_and_followed() {
    let (site, run) = trained().await;
    let (run_id, dataset) = (text(&run["id"]), text(&run["dataset_id"]));

    let verified = site.cli(&["dataset", "verify", &run_id, "--files"]);
    assert_eq!((&verified["verdict"], &verified["dataset_id"]), (&json!("same"), &json!(dataset)), "{verified}");
    let files = verified["files"].as_array().unwrap();
    assert!(files.len() > 5 && files.iter().all(|file| file["state"] == "same"), "{verified}");
    // without files nothing is read from the bucket
    assert!(answered(site.api().post(&format!("/v1/datasets/{dataset}/verify")), 200).await["files"].is_null());

    let diff = site.cli(&["dataset", "diff", &dataset, &run_id]);
    assert_eq!((&diff["summary"]["same_content"], &diff["changes"]), (&json!(true), &json!([])), "{diff}");
    let report = site.cli(&["dataset", "report", &dataset]);
    assert!(report["fields"]["type_of_contract_l1"]["labels"].as_array().unwrap().len() > 1, "{report}");
    let lineage = site.cli(&["dataset", "lineage", &dataset]);
    assert_eq!((&lineage["runs"][0]["id"], &lineage["versions"][0]["number"]), (&json!(run_id), &json!(1)), "{lineage}");
    let model = site.cli(&["model", "lineage", "contracts", "1"]);
    assert_eq!((&model["run"]["id"], &model["dataset"]["reviewers"]), (&json!(run_id), &lineage["reviewers"]), "{model}");

    // every value, page by page
    let values: i64 = lineage["reviewers"].as_array().unwrap().iter().map(|reviewer| reviewer["values"].as_i64().unwrap()).sum();
    let (mut events, mut cursor) = (0, String::new());
    loop {
        let page = site.api().json(&format!("/v1/datasets/{dataset}/events?limit=100{cursor}")).await;
        events += page["items"].as_array().unwrap().len();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(i64::try_from(events).unwrap(), values);

    // text for people does not fail on any of it
    for command in [&["dataset", "diff", &dataset, &dataset][..], &["dataset", "report", &dataset], &["dataset", "lineage", &dataset]] {
        assert!(!ends_with(&site, command, 0).is_empty());
    }

    // a file that somebody changed in the bucket
    let key = site.env.bucket.keys().await.into_iter().find(|key| key.ends_with("README.md") && key.starts_with("datasets/")).unwrap();
    let client = site.env.bucket.client();
    client.put_object().bucket(site.env.bucket.name()).key(&key).body(b"changed".to_vec().into()).send().await.unwrap();
    let words = ends_with(&site, &["dataset", "verify", &dataset, "--files"], 1);
    assert!(words.contains("README.md: other_size") && words.contains("1 files of the snapshot"), "{words}");
    client.delete_object().bucket(site.env.bucket.name()).key(&key).send().await.unwrap();
    let words = ends_with(&site, &["dataset", "verify", &dataset, "--files"], 1);
    assert!(words.contains("README.md: missing"), "{words}");

    let api = site.api();
    let nil = uuid::Uuid::nil();
    for path in [format!("/v1/datasets/{nil}/report"), format!("/v1/datasets/{nil}/lineage"), format!("/v1/datasets/{dataset}/diff/{nil}")]
    {
        assert_eq!(answered(api.get(&path), 404).await["code"], "not_found", "{path}");
    }
    assert_eq!(answered(api.post(&format!("/v1/datasets/{nil}/verify")), 404).await["code"], "not_found");
    for list in ["events", "conflicts", &format!("diff/{dataset}")] {
        let problem = answered(api.get(&format!("/v1/datasets/{dataset}/{list}?cursor=zz")), 422).await;
        assert_eq!(problem["code"], "invalid_query", "{list}");
    }
    site.finish().await;
}

#[tokio::test]
async fn an_erased_document_is_gone_from_everywhere_and_the_proof_is_not() {
    let (site, run) = trained().await;
    let dataset = text(&run["dataset_id"]);
    let api = site.api();
    let events = api.json(&format!("/v1/datasets/{dataset}/events?limit=1")).await;
    let document = text(&events["items"][0]["document_id"]);
    let shown = api.json(&format!("/v1/documents/{document}")).await;
    let name = format!("{}/{}/{}", text(&shown["source"]), text(&shown["project"]), text(&shown["task_id"]));
    let before = site.cli(&["document", "lineage", &name]);
    assert_eq!((&before["retire"][0]["number"], &before["erased"]), (&json!(1), &Value::Null), "{before}");

    // not by chance, not without a reason, not by everybody
    assert!(ends_with(&site, &["document", "erase", &name, "--reason", "x"], 2).contains("--yes"));
    let path = format!("/v1/documents/{document}/erase");
    assert_eq!(answered(api.post(&path).json(&json!({ "reason": " " })), 422).await["code"], "invalid_reason");
    assert_eq!(answered(api.post(&path).json(&json!({ "reason": "x".repeat(1001) })), 422).await["code"], "invalid_reason");
    let operator = site.server.api_as(&site.env.create_key("operator"));
    assert_eq!(answered(operator.post(&path).json(&json!({ "reason": "x" })), 403).await["code"], "forbidden");
    let unknown = format!("/v1/documents/{}/erase", uuid::Uuid::nil());
    assert_eq!(answered(api.post(&unknown).json(&json!({ "reason": "x" })), 404).await["code"], "unknown_document");

    let erased = site.cli(&["document", "erase", &name, "--reason", "request 2026-113", "--yes"]);
    assert_eq!((&erased["document_id"], &erased["datasets"], &erased["erased_before"]), (&json!(document), &json!(1), &json!(false)));
    assert_eq!(erased["lineage"]["retire"], before["retire"], "the retire list is the same before and after");
    assert_eq!(erased["proof"][0]["sha256"], shown["checksum"]);
    let again = answered(api.post(&path).json(&json!({ "reason": "another" })), 200).await;
    assert_eq!((&again["erased_before"], &again["reason"]), (&json!(true), &json!("request 2026-113")));
    assert_eq!(site.count("SELECT count(*) FROM audit_log WHERE action = 'document.erase'").await, 1);

    for gone in [format!("/v1/documents/{document}"), format!("/v1/documents/{document}/annotations")] {
        let problem = answered(api.get(&gone), 410).await;
        assert_eq!(problem["code"], "document_erased");
        assert!(text(&problem["detail"]).contains("by admin: request 2026-113"), "{problem}");
    }
    let run_id = text(&run["id"]);
    for gone in [
        format!("/v1/training-runs/{run_id}/dataset"),
        format!("/training-runs/{run_id}/dataset"),
        format!("/v1/datasets/{dataset}/files/README.md"),
        format!("/v1/datasets/{dataset}/report"),
        format!("/v1/datasets/{dataset}/conflicts"),
        format!("/v1/datasets/{dataset}/diff/{dataset}"),
    ] {
        assert_eq!(answered(api.get(&gone), 410).await["code"], "dataset_erased", "{gone}");
    }
    assert!(api.json(&format!("/v1/datasets/{dataset}")).await["erased_at"].is_string());
    let words = ends_with(&site, &["dataset", "verify", &dataset, "--files"], 1);
    assert!(words.contains("erased: a document in it was erased") && words.contains("request 2026-113"), "{words}");
    assert!(ends_with(&site, &["dataset", "lineage", &dataset], 0).contains("its files were deleted"));
    assert!(ends_with(&site, &["document", "lineage", &document], 0).contains("erased at"));

    wait_until("a bucket without the snapshot", PATIENCE, async || {
        site.env.bucket.keys().await.iter().all(|key| !key.starts_with("datasets/")).then_some(())
    })
    .await;
    objects::check(&site).await;
    site.finish().await;
}
