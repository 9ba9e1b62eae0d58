//! Builders of Label Studio exports with defaults for everything a test does not state.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A task of project 1 with its own text and nothing else.
pub(crate) fn task(id: u64) -> Value {
    json!({
        "id": id, "project": 1, "meta": {}, "drafts": [], "annotations": [], "predictions": [], "file_upload": "upload.json",
        "data": {"text": format!("Agreement number {id} under the law of Texas."), "title": format!("title {id}")},
    })
}

/// An annotation with these choices, `(field, value)`.
pub(crate) fn annotation(id: u64, updated_at: &str, choices: &[(&str, &str)]) -> Value {
    json!({
        "id": id, "completed_by": 1, "was_cancelled": false, "ground_truth": false,
        "created_at": "2024-01-01T00:00:00Z", "updated_at": updated_at, "result": items(choices),
    })
}

/// A prediction with these choices.
pub(crate) fn prediction(id: u64, version: &str, created_at: &str, choices: &[(&str, &str)]) -> Value {
    json!({"id": id, "model_version": version, "score": 0.5, "created_at": created_at, "result": items(choices)})
}

fn items(choices: &[(&str, &str)]) -> Vec<Value> {
    choices
        .iter()
        .map(|(field, value)| json!({"type": "choices", "from_name": field, "to_name": "text", "value": {"choices": [value]}}))
        .collect()
}

/// A task with one annotation.
pub(crate) fn reviewed(id: u64, choices: &[(&str, &str)]) -> Value {
    let mut task = task(id);
    task["annotations"] = json!([annotation(1000 + id, "2024-02-01T00:00:00Z", choices)]);
    task
}

/// A file of these tasks.
pub(crate) fn file(tasks: &[Value]) -> Vec<u8> {
    serde_json::to_vec(tasks).unwrap()
}

/// The same bytes as gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
