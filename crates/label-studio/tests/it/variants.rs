//! Generator of damaged exports: derived from a valid export and a seed, equal for equal seeds.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};
use serde_json::{Value, json};

/// A SplitMix64 sequence.
struct Random(SplitMix64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed.wrapping_mul(0xA076_1D64_78BD_642F)))
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() >> 33).unwrap() % bound
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A valid file of a few tasks with all supported parts.
fn valid_export(random: &mut Random) -> Value {
    let tasks: Vec<Value> = (0..1 + random.below(4))
        .map(|_| {
            let id = random.below(50);
            json!({
                "id": id, "project": random.below(3), "meta": {"batch": 7}, "file_upload": "a.json", "inner_id": 1, "unknown": [1, {"x": null}],
                "created_at": "2024-01-01T00:00:00Z", "drafts": [{"id": 1}],
                "data": {"text": format!("😀 Agreement {id} under the law of Texas."), "title": "t", "source_file": "a.txt"},
                "annotations": [{
                    "id": 100 + id, "completed_by": {"id": 1, "email": "a@example.org"}, "was_cancelled": false, "ground_truth": true,
                    "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-02T00:00:00.123456Z",
                    "result": [
                        {"id": "a", "type": "choices", "from_name": "law", "to_name": "text", "value": {"choices": ["Texas"]}},
                        {"id": "b", "type": "labels", "from_name": "span", "value": {"start": 2, "end": 11, "text": "Agreement", "labels": ["heading"]}},
                        {"id": "b", "type": "textarea", "from_name": "note", "value": {"start": 2, "end": 11, "text": ["x", "y"]}},
                        {"id": "c", "type": "number", "from_name": "pages", "value": {"number": 12.5}},
                        {"id": "d", "type": "taxonomy", "from_name": "topic", "value": {"taxonomy": [["Law", "Contract"]]}},
                        {"id": "e", "type": "rating", "from_name": "stars", "value": {"rating": 4}},
                        {"id": "f", "type": "datetime", "from_name": "ends", "value": {"datetime": "2024-01-01"}},
                        {"id": "g", "type": "textarea", "from_name": "place_gold", "value": {"text": ["Ohio"]}},
                        {"id": "h", "type": "choices", "from_name": "place_status", "value": {"choices": ["CORRECTED"]}},
                        {"type": "relation", "from_id": "a", "to_id": "b"},
                    ],
                }],
                "predictions": [3, {"id": 4, "model_version": "v1", "score": 0.5, "created_at": "2024-01-01T00:00:00Z",
                    "result": [{"type": "choices", "from_name": "law", "score": 0.4, "value": {"choices": ["Ohio"]}}]}],
            })
        })
        .collect();
    Value::Array(tasks)
}

/// A value of an unexpected kind.
fn unexpected_value(random: &mut Random) -> Value {
    match random.below(24) {
        0 => json!(null),
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1.5e300),
        4 => json!(u64::MAX),
        5 => json!(i64::MIN),
        6 => json!(""),
        7 => json!("\u{0}"),
        8 => json!("a\u{0}b"),
        9 => json!("x".repeat(1 + random.below(5_000))),
        10 => json!("é😀\u{202e}\u{feff}\u{fffd}\u{7f}\u{1}"),
        11 => json!([]),
        12 => json!({}),
        13 => json!([[[[[[]]]]]]),
        14 => json!([null, 1, "a", {}, []]),
        15 => json!({"id": {"id": {"id": 1}}}),
        16 => json!("9999999-99-99T99:99:99Z"),
        17 => json!("-4800-01-01T00:00:00"),
        18 => json!("{\"a\": [}"),
        19 => json!("'; DROP TABLE documents; --"),
        20 => json!("{NULL,\"\\\\\",}"),
        21 => json!(["\\", "\"", "{}", "NULL", ","]),
        22 => json!(vec!["v"; 1 + random.below(3_000)]),
        _ => json!(random.below(1_000_000)),
    }
}

/// Collects the JSON pointers of all parts of a value.
fn pointers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| pointers(item, &format!("{pointer}/{index}"), found)),
        Value::Object(items) => items.iter().for_each(|(key, item)| pointers(item, &format!("{pointer}/{key}"), found)),
        _ => {}
    }
}

/// Replaces, moves or removes one part of a value.
fn mutate(value: &mut Value, random: &mut Random) {
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    let target = &all[random.below(all.len())];
    let other = &all[random.below(all.len())];
    match random.below(4) {
        // replaced by an unexpected value
        0 | 1 => *value.pointer_mut(target).unwrap() = unexpected_value(random),
        // replaced by another part of the file
        2 => {
            let moved = value.pointer(other).cloned().unwrap();
            if !moved.to_string().is_empty() && moved.to_string().len() < 100_000 {
                *value.pointer_mut(target).unwrap() = moved;
            }
        }
        // removed
        _ => {
            let (parent, key) = target.rsplit_once('/').unwrap_or(("", ""));
            match value.pointer_mut(parent) {
                Some(Value::Object(items)) => drop(items.remove(key)),
                Some(Value::Array(items)) if !items.is_empty() => drop(items.pop()),
                _ => {}
            }
        }
    }
}

/// Damages the bytes of a file.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let offset = random.below(bytes.len());
    match random.below(12) {
        0 => bytes.truncate(offset),
        1 => bytes[offset] = u8::try_from(random.below(256)).unwrap(),
        2 => drop(bytes.remove(offset)),
        3 => bytes.insert(offset, b"\"\\{}[],:\0\xff"[random.below(10)]),
        4 => drop(bytes.splice(offset..offset, *b"\\u0000")),
        5 => drop(bytes.splice(offset..offset, *b"\\ud800")),
        6 => drop(bytes.splice(offset..offset, b"[".repeat(1 + random.below(5_000)))),
        7 => drop(bytes.splice(offset..offset, b"{\"a\":".repeat(1 + random.below(2_000)))),
        8 => drop(bytes.splice(offset..offset, [b"1".repeat(1 + random.below(2_000)), b"e9999".to_vec()].concat())),
        9 => {
            // a repeated key
            let text = String::from_utf8_lossy(bytes).replacen("\"id\":", "\"id\":1,\"id\":", 1 + random.below(3));
            *bytes = text.into_bytes();
        }
        10 => bytes.extend_from_within(offset..),
        _ => *bytes = gzip(bytes),
    }
}

/// The damaged file of a seed.
pub(crate) fn variant(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut value = valid_export(&mut random);
    for _ in 0..random.below(4) {
        mutate(&mut value, &mut random);
    }
    let mut bytes = serde_json::to_vec(&value).unwrap();
    if random.below(2) == 0 {
        for _ in 0..1 + random.below(2) {
            damage(&mut bytes, &mut random);
        }
    }
    if random.below(8) == 0 {
        bytes = gzip(&bytes);
        if random.below(2) == 0 {
            let offset = random.below(bytes.len());
            bytes[offset] ^= 1 << random.below(8);
        }
    }
    bytes
}
