//! Exports for import: the generated sample, and small ones made for one purpose.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use test_support::{Extent, write_contracts};

/// Enough for every field of the sample to be trained and tested, few enough for a training of about a second.
pub(crate) const DOCUMENTS: u64 = 90;
/// Categorical fields of the sample.
pub(crate) const FIELDS: usize = 8;

/// The sample: contract-like documents with predictions and reviews.
pub(crate) fn contracts() -> Vec<u8> {
    many_contracts(DOCUMENTS)
}

/// A sample of another size.
pub(crate) fn many_contracts(documents: u64) -> Vec<u8> {
    let mut export = Vec::new();
    write_contracts(Extent::Documents(documents), 7, &mut export).expect("memory takes everything");
    export
}

/// The same bytes, compressed.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// So many reviewed documents whose field `colour` has the value that `label` gives for their number.
pub(crate) fn reviewed(documents: u64, label: impl Fn(u64) -> &'static str) -> Vec<u8> {
    export(
        documents,
        |number| json!({ "annotations": [{ "id": number, "completed_by": 1, "result": [choice(label(number))], "created_at": TIME, "updated_at": TIME }], "predictions": [] }),
    )
}

/// So many documents that an extractor has seen and nobody has reviewed.
pub(crate) fn unreviewed(documents: u64) -> Vec<u8> {
    predicted(documents, Value::Null)
}

/// The same with a confidence of 0.95.
pub(crate) fn surely_predicted(documents: u64) -> Vec<u8> {
    predicted(documents, json!(0.95))
}

fn predicted(documents: u64, score: Value) -> Vec<u8> {
    export(documents, |number| {
        let prediction =
            json!({ "id": number, "model_version": "extractor-1", "score": score, "result": [choice("red")], "created_at": TIME });
        json!({ "annotations": [], "predictions": [prediction] })
    })
}

const TIME: &str = "2025-06-01T12:00:00.000000Z";

fn choice(label: &str) -> Value {
    json!({ "id": "c", "from_name": "colour", "to_name": "text", "type": "choices", "value": { "choices": [label] } })
}

fn export(documents: u64, answers: impl Fn(u64) -> Value) -> Vec<u8> {
    let tasks = (1..=documents).map(|number| {
        let mut task = json!({ "id": number, "project": 1, "data": { "text": text(number) }, "created_at": TIME, "updated_at": TIME });
        let parts = task.as_object_mut().expect("a task is an object");
        parts.extend(answers(number).as_object().expect("answers are an object").clone());
        task
    });
    serde_json::to_vec(&tasks.collect::<Vec<Value>>()).expect("JSON can be written")
}

/// A text that shares no long run of words with that of another number.
fn text(number: u64) -> String {
    let words = (0..60).map(|place| format!("word{}", (number * 7919 + place * place * 31 + place) % 9973));
    words.collect::<Vec<String>>().join(" ")
}
