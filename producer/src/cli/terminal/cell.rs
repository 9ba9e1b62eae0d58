//! Table cells of JSON values.

use serde_json::Value;

/// A value as a table cell; null is empty.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text as a table cell; a dash if there is none.
pub(crate) fn text_cell(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// The values of a list; none if it is missing.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
