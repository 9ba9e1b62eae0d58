//! Writes the Label Studio JSON export, holding one task in memory at a time.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::contract::{self, Contract, Values};
use super::labels::FIELDS;
use super::random::Random;
use super::review::{self, History, Review};

/// The Label Studio project of the sample; other test exports rarely use this id.
const PROJECT_ID: u64 = 2;
/// Fraction of documents that repeat the text of an earlier one, like rescanned and re-sent files.
const REPEATED_FRACTION: f64 = 0.01;

/// Size of the sample.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// Number of documents.
    Documents(u64),
    /// Minimum size of the uncompressed export in bytes.
    Bytes(u64),
}

/// Writes the export and returns the number of documents. The same seed gives the same bytes; memory use is independent of the size.
pub fn write_contracts(extent: Extent, seed: u64, out: impl Write) -> io::Result<u64> {
    let mut out = CountingWriter { out, bytes: 0 };
    out.write_all(b"[")?;
    let mut number = 0;
    while match extent {
        Extent::Documents(documents) => number < documents,
        Extent::Bytes(bytes) => out.bytes < bytes,
    } {
        out.write_all(if number == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut out, &task(seed, number))?;
        number += 1;
    }
    out.write_all(b"\n]\n")?;
    out.flush()?;
    Ok(number)
}

struct CountingWriter<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for CountingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The task with this number, counted from 0; its id is one higher.
fn task(seed: u64, number: u64) -> Value {
    let mut random = Random::new(seed, number);
    let repeats = number > 0 && random.chance(REPEATED_FRACTION);
    let source = if repeats { number - 1 - random.below(number.min(50)) } else { number };
    let Contract { name, text, values } = contract::draw(&mut Random::new(!seed, source));
    let history = review::draw(&values, number, &mut random);
    let id = number + 1;
    let annotations: Vec<Value> = history.reviews.iter().enumerate().map(|(round, review)| annotation(id, round as u64, review)).collect();
    let skipped = history.reviews.iter().filter(|review| review.skipped).count();
    let updated_at = history.reviews.last().map_or(history.predicted_at, |review| review.updated_at);
    json!({
        "id": id,
        "data": {
            "text_sha256": hex::encode(Sha256::digest(text.as_bytes())),
            "text": text,
            "title": name,
            "source_file": format!("contract-{id:06}.pdf"),
        },
        "total_annotations": annotations.len() - skipped,
        "cancelled_annotations": skipped,
        "annotations": annotations,
        "total_predictions": 1,
        "predictions": [prediction(id, &history)],
        "drafts": history.draft.iter().map(|review| draft(id, review)).collect::<Vec<_>>(),
        "meta": {},
        "created_at": time(history.predicted_at),
        "updated_at": time(updated_at),
        "inner_id": id,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "comment_authors": [],
        "last_comment_updated_at": null,
        "project": PROJECT_ID,
        "updated_by": history.reviews.last().map(|review| review.reviewer),
        "file_upload": "contracts.json",
    })
}

fn annotation(task: u64, round: u64, review: &Review) -> Value {
    let id = task * 10 + round;
    let result = result(id, &review.values);
    json!({
        "id": id,
        "completed_by": review.reviewer,
        "result_count": result.len(),
        "result": result,
        "was_cancelled": review.skipped,
        "ground_truth": false,
        "created_at": time(review.created_at),
        "updated_at": time(review.updated_at),
        "lead_time": (review.updated_at - review.created_at).num_seconds(),
        "unique_id": format!("{task:08x}-0000-4000-8000-{round:012x}"),
        "task": task,
        "project": PROJECT_ID,
        "updated_by": review.reviewer,
        "parent_prediction": task,
        "parent_annotation": (round > 0).then(|| id - 1),
        "last_action": null,
        "last_created_by": null,
    })
}

fn prediction(task: u64, history: &History) -> Value {
    let result: Vec<Value> = history
        .predicted
        .iter()
        .map(|(field, value, score)| {
            let mut item = item(task, field, value, "prediction");
            item["score"] = json!(score);
            item
        })
        .collect();
    let score = history.predicted.iter().map(|(.., score)| score).sum::<f64>() / history.predicted.len().max(1) as f64;
    json!({
        "id": task,
        "model_version": "sample-extractor-1",
        "created_ago": "0 minutes",
        "created_at": time(history.predicted_at),
        "updated_at": time(history.predicted_at),
        "task": task,
        "project": PROJECT_ID,
        "score": score,
        "result": result,
    })
}

fn draft(task: u64, review: &Review) -> Value {
    json!({
        "id": task,
        "user": format!("reviewer{}@example.org", review.reviewer),
        "result": result(task, &review.values),
        "lead_time": (review.updated_at - review.created_at).num_seconds(),
        "was_postponed": false,
        "created_at": time(review.created_at),
        "updated_at": time(review.updated_at),
        "task": task,
        "annotation": null,
    })
}

/// A field without a value has no item: this is how reviewers express that the document has none.
fn result(id: u64, values: &Values) -> Vec<Value> {
    values.iter().filter_map(|(field, value)| Some(item(id, field, value.as_deref()?, "manual"))).collect()
}

fn item(id: u64, field: &str, value: &str, origin: &str) -> Value {
    let categorical = FIELDS.iter().any(|candidate| candidate.name == field);
    let (kind, key) = if categorical { ("choices", "choices") } else { ("textarea", "text") };
    let mut digest = hex::encode(Sha256::digest(format!("{origin}/{id}/{field}")));
    digest.truncate(10);
    json!({
        "id": digest, "from_name": field, "to_name": "text", "type": kind, "origin": origin,
        "value": { key: [value] },
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(extent: Extent, seed: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write_contracts(extent, seed, &mut out).expect("writing to memory cannot fail");
        out
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let sample = export(Extent::Documents(40), 7);
        assert_eq!(sample, export(Extent::Documents(40), 7));
        assert_ne!(sample, export(Extent::Documents(40), 8));
        let tasks: Vec<Value> = serde_json::from_slice(&sample).expect("the export is a JSON array");
        assert_eq!(tasks.len(), 40);
    }

    #[test]
    fn a_size_is_exceeded_by_less_than_one_document() {
        let sample = export(Extent::Bytes(100_000), 7);
        assert!((100_000..160_000).contains(&sample.len()), "{}", sample.len());
    }

    #[test]
    fn a_few_texts_repeat_under_another_id() {
        let tasks: Vec<Value> = serde_json::from_slice(&export(Extent::Documents(500), 7)).expect("one JSON list");
        let texts: std::collections::HashSet<&str> = tasks.iter().filter_map(|task| task["data"]["text"].as_str()).collect();
        assert!((480..500).contains(&texts.len()), "{}", texts.len());
    }
}
