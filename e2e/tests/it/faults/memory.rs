//! Memory of a worker that evaluates stored predictions, however many values they have.

use serde_json::json;

use crate::fixture::exports::reviewed;
use crate::fixture::{TestApp, expect_json};

/// Maximum resident memory of the worker, in KiB.
const MAX_RESIDENT_KIB: u64 = 300 * 1024;

#[tokio::test]
#[ignore = "writes 24,000 documents with values of 10 kB: ./dev faults"]
async fn the_evaluation_of_many_long_values_needs_little_memory() {
    let app = TestApp::with_import(reviewed(1, |_| "red")).await;
    // each document has its own value; every second prediction is right
    app.execute(
        "WITH numbers AS (SELECT n, gen_random_uuid() AS id, repeat(md5(n::text), 320) AS value FROM generate_series(1, 24000) n),
              documents AS (
             INSERT INTO documents (id, source, project, task_id, checksum) SELECT id, 'test', 'p', n::text, repeat('0', 64) FROM numbers
         ),   splits AS (
             INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
             SELECT id, 1, (n / 2)::text, 'train', 'hash', 1 FROM numbers
         ),   extractions AS (
             INSERT INTO extractions (document_id, field, extractor_version, value, predicted_at)
             SELECT id, 'colour', 'v1', ARRAY[CASE WHEN n % 2 = 0 THEN value ELSE value || 'x' END], now() FROM numbers
         )
         INSERT INTO annotation_events (position, document_id, field, value, review_status, source, source_ref, occurred_at)
         SELECT nextval('positions'), id, 'colour', ARRAY[value], 'NEW', 'test', n::text, now() FROM numbers",
    )
    .await;
    let worker = app.env.worker("worker-1", &[]);
    let spec = json!({ "model": "e", "kind": "evaluate", "data": { "fields": ["colour"], "filter": { "project": "p" } } });
    let id = app.create_run(&spec).await;
    app.wait_for_success(id).await;
    let metrics = expect_json(app.api().get(&format!("/v1/training-runs/{id}/metrics")), 200).await;
    let value = |name: &str| {
        let metric = metrics["items"].as_array().unwrap().iter().find(|metric| metric["name"] == name && metric["field"] == "colour");
        metric.map(|metric| metric["value"].clone())
    };
    assert_eq!(value("examples"), Some(json!(24_000.0)), "{metrics}");
    assert_eq!((value("n"), value("accuracy")), (Some(json!(12_001.0)), Some(json!(0.5))), "{metrics}");
    assert_eq!((value("confusion"), value("macro_f1")), (None, None), "{metrics}");

    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.pid().as_raw_nonzero())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("peak resident memory of the worker: {} MiB", peak / 1024);
    assert!(peak < MAX_RESIDENT_KIB, "{peak} KiB");
    drop(worker);
    app.finish().await;
}
