//! Errors of JSON bodies in words: the JSON pointer of the value, and what is expected there.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::api::http::error::ApiError;
use crate::api::http::extract::strict_objects::StrictObjects;

/// An error of the deserializer about the value at a path. Positions in the text are left out: programs write bodies, not people.
pub(crate) fn explain(path: &Path, error: &serde_json::Error) -> String {
    let pointer = pointer(path);
    let text = expectation(without_position(&error.to_string()));
    if pointer.is_empty() { text } else { format!("{pointer}: {text}") }
}

/// Converts a JSON value that was made from a body. `what` names it.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value, what: &str) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(StrictObjects(value)).map_err(|error| {
        let text = explain(error.path(), error.inner());
        ApiError::unprocessable("invalid_body", format!("{what}: {text}"))
    })
}

/// The JSON pointer (RFC 6901) of a path; empty for the whole document.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The text without the `at line 1 column 28` at its end.
fn without_position(text: &str) -> &str {
    let Some((head, position)) = text.rsplit_once(" at line ") else { return text };
    let is_position = position.split_once(" column ").is_some_and(|(line, column)| {
        [line, column].iter().all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if is_position { head } else { text }
}

/// Messages of the deserializer in the words of JSON.
fn expectation(text: &str) -> String {
    for kind in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) = text.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected ")) {
            return format!("expected {}, found {}", json_type(expected), found_value(found));
        }
    }
    for (technical, plain) in
        [("unknown field ", "unknown key "), ("missing field ", "missing key "), ("duplicate field ", "duplicate key ")]
    {
        if let Some(rest) = text.strip_prefix(technical) {
            return format!("{plain}{}", rest.replacen(", expected ", ": expected ", 1));
        }
    }
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        return format!("unknown value {}", rest.replacen(", expected ", ": expected ", 1));
    }
    if text.starts_with("UUID parsing failed") {
        return "expected an ID such as 01a1fd0a-322b-77a3-a61c-68ecd237a2dc".to_owned();
    }
    text.to_owned()
}

fn json_type(expected: &str) -> String {
    let plain = match expected {
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "u8" | "u16" | "u32" | "u64" | "usize" => "an integer of at least 0",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a map" => "an object",
        "a sequence" => "an array",
        "a UUID string" | "a formatted UUID string" => "an ID such as 01a1fd0a-322b-77a3-a61c-68ecd237a2dc",
        other if other.starts_with("struct ") => "an object",
        other if other.starts_with("enum ") || other.starts_with("variant ") => "a string",
        other => other,
    };
    plain.to_owned()
}

fn found_value(found: &str) -> String {
    match found {
        "map" => "an object".to_owned(),
        "sequence" => "an array".to_owned(),
        "unit value" => "null".to_owned(),
        other => ["string ", "integer ", "floating point ", "boolean "]
            .iter()
            .find_map(|kind| other.strip_prefix(kind))
            .map_or_else(|| other.to_owned(), |value| value.trim_matches('`').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use aprendiz_run_spec::RunSpec;
    use serde::Deserialize;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only errors are tested")]
    struct Body {
        id: Uuid,
        on: bool,
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only errors are tested")]
    struct Item {
        rate: f64,
    }

    fn error<T: DeserializeOwned + std::fmt::Debug>(body: &Value) -> String {
        let text = body.to_string();
        let error = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(&text)).unwrap_err();
        explain(error.path(), error.inner())
    }

    #[test]
    fn every_error_has_a_pointer_and_an_expectation_and_no_position() {
        let id = Uuid::nil();
        let cases = [
            (json!({ "id": "7" }), "/id: expected an ID such as 01a1fd0a-322b-77a3-a61c-68ecd237a2dc"),
            (json!({ "id": id, "on": "yes" }), "/on: expected true or false, found \"yes\""),
            (json!({ "id": id, "on": true, "items": {} }), "/items: expected an array, found an object"),
            (json!({ "id": id, "on": true, "items": [{ "rate": 1 }, { "rate": "x" }] }), "/items/1/rate: expected a number, found \"x\""),
            (json!({ "id": id, "on": true }), "missing key `items`"),
            (json!({ "a/b": 1 }), "/a~1b: unknown key `a/b`: expected one of `id`, `on`, `items`"),
            (json!(["x"]), "/0: expected an ID such as 01a1fd0a-322b-77a3-a61c-68ecd237a2dc"),
            (json!(7), "expected an object, found 7"),
        ];
        for (body, expected) in cases {
            assert_eq!(error::<Body>(&body), expected, "{body}");
        }
    }

    #[test]
    fn errors_of_a_spec_name_what_this_version_can_do() {
        let kind = error::<RunSpec>(&json!({ "model": "m", "kind": "bert" }));
        assert_eq!(
            kind,
            "/kind: unknown kind `bert`: expected `linear`, `sentence-transformer`, `field-classifier`, `auto`, `evaluate`, `predict` or `sweep`"
        );
        let time = error::<RunSpec>(&json!({ "model": "m", "data": { "as_of": "yesterday" } }));
        assert!(time.starts_with("/data/as_of: \"yesterday\" is not a time: write it like"), "{time}");
        let seed = error::<RunSpec>(&json!({ "model": "m", "seed": -1 }));
        assert_eq!(seed, "/seed: expected an integer of at least 0, found -1");
    }
}
