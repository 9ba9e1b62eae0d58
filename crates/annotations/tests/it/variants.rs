//! Exports as nobody should write them: made from a good one and a number, the same for the same number.

use serde_json::{Value, json};

use crate::export::gzip;
use crate::prose::Random;

/// A file of a few tasks that has everything.
fn good(random: &mut Random) -> Value {
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

/// Values that stand where others should.
fn strange(random: &mut Random) -> Value {
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

/// All places in a value, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(place, item)| places(item, &format!("{at}/{place}"), found)),
        Value::Object(items) => items.iter().for_each(|(key, item)| places(item, &format!("{at}/{key}"), found)),
        _ => {}
    }
}

fn mutate(value: &mut Value, random: &mut Random) {
    let mut all = Vec::new();
    places(value, "", &mut all);
    let place = &all[random.below(all.len())];
    let other = &all[random.below(all.len())];
    match random.below(4) {
        // something else stands there
        0 | 1 => *value.pointer_mut(place).unwrap() = strange(random),
        // something from elsewhere in the file stands there
        2 => {
            let moved = value.pointer(other).cloned().unwrap();
            if !moved.to_string().is_empty() && moved.to_string().len() < 100_000 {
                *value.pointer_mut(place).unwrap() = moved;
            }
        }
        // it is gone
        _ => {
            let (parent, key) = place.rsplit_once('/').unwrap_or(("", ""));
            match value.pointer_mut(parent) {
                Some(Value::Object(items)) => drop(items.remove(key)),
                Some(Value::Array(items)) if !items.is_empty() => drop(items.pop()),
                _ => {}
            }
        }
    }
}

/// Breaks the text of a file, whatever it stands for.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let place = random.below(bytes.len());
    match random.below(12) {
        0 => bytes.truncate(place),
        1 => bytes[place] = u8::try_from(random.below(256)).unwrap(),
        2 => drop(bytes.remove(place)),
        3 => bytes.insert(place, b"\"\\{}[],:\0\xff"[random.below(10)]),
        4 => drop(bytes.splice(place..place, *b"\\u0000")),
        5 => drop(bytes.splice(place..place, *b"\\ud800")),
        6 => drop(bytes.splice(place..place, b"[".repeat(1 + random.below(5_000)))),
        7 => drop(bytes.splice(place..place, b"{\"a\":".repeat(1 + random.below(2_000)))),
        8 => drop(bytes.splice(place..place, [b"1".repeat(1 + random.below(2_000)), b"e9999".to_vec()].concat())),
        9 => {
            // a key once more
            let text = String::from_utf8_lossy(bytes).replacen("\"id\":", "\"id\":1,\"id\":", 1 + random.below(3));
            *bytes = text.into_bytes();
        }
        10 => bytes.extend_from_within(place..),
        _ => *bytes = gzip(bytes),
    }
}

/// The file with this number.
pub(crate) fn variant(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut value = good(&mut random);
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
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
        }
    }
    bytes
}
