//! File name and metadata of a document, from what a task says beside its text.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Bytes of the JSON of some entries.
pub(super) fn raw_bytes(entries: &[(Cow<'_, str>, &RawValue)]) -> usize {
    entries.iter().map(|(key, value)| key.len() + value.get().len()).sum()
}

/// The entries as an object.
pub(super) fn values(entries: &[(Cow<'_, str>, &RawValue)]) -> Result<Map<String, Value>, String> {
    let mut values = Map::new();
    for (key, value) in entries {
        values.insert(key.clone().into_owned(), serde_json::from_str(value.get()).map_err(|error| error.to_string())?);
    }
    Ok(values)
}

/// Takes the file name out of the data, else that of the upload.
pub(super) fn file_name_of(data: &mut Map<String, Value>, file_upload: Option<&Value>) -> Option<String> {
    for key in ["source_file", "file_name"] {
        if data.get(key).and_then(Value::as_str).is_some_and(|name| !name.is_empty())
            && let Some(Value::String(name)) = data.remove(key)
        {
            return Some(name);
        }
    }
    file_upload.and_then(Value::as_str).map(str::to_owned)
}

/// What is kept of a task as the metadata of its document: its data, under `meta` its own, under `task` its unknown keys.
pub(super) fn metadata_of(mut data: Map<String, Value>, meta: Option<Value>, others: Map<String, Value>) -> Result<String, String> {
    if !others.is_empty() {
        data.entry("task").or_insert(Value::Object(others));
    }
    if let Some(Value::Object(meta)) = meta
        && !meta.is_empty()
    {
        data.entry("meta").or_insert(Value::Object(meta));
    }
    serde_json::to_string(&data).map_err(|error| error.to_string())
}
