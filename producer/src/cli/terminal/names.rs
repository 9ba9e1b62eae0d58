//! The names in a JSON value: what `-q` and `-o name` print, one per line.

use serde_json::Value;

/// Keys that name an object, in the order in which they are looked for. A version of a model is named NAME/NUMBER.
const KEYS: [&str; 8] = ["id", "import_id", "name", "document_id", "dataset_id", "run_id", "field", "path"];
/// Keys whose values are lists of what an object is about.
const LIST_KEYS: [&str; 3] = ["items", "retried", "changes"];

/// The names of the objects in a value; `None` = it names nothing.
pub(super) fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(name).collect(),
        Value::Object(object) => match LIST_KEYS.iter().find_map(|key| object.get(*key)?.as_array()) {
            Some(items) => items.iter().map(name).collect(),
            None => Some(vec![name(value)?]),
        },
        other => Some(vec![name(other)?]),
    }
}

fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => {
            if let (Some(model), Some(number)) = (value["model"].as_str(), value["number"].as_i64()) {
                return Some(format!("{model}/{number}"));
            }
            KEYS.iter().find_map(|key| match object.get(*key)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_named_by_their_id_or_name() {
        assert_eq!(names(&json!([{ "id": "a", "name": "x" }, { "id": "b" }])).unwrap(), ["a", "b"]);
        assert_eq!(names(&json!({ "name": "contracts" })).unwrap(), ["contracts"]);
        assert_eq!(names(&json!([{ "id": "v", "model": "contracts", "number": 3 }])).unwrap(), ["contracts/3"]);
        assert_eq!(names(&json!({ "matched": 2, "retried": ["a", "b"] })).unwrap(), ["a", "b"]);
        assert_eq!(names(&json!([])).unwrap(), [""; 0]);
        assert_eq!(names(&json!({ "runs": { "queued": 1 } })), None);
    }
}
