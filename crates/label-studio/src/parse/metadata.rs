//! File name and metadata of a document, from the keys of a task besides its text.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Total bytes of the JSON of the entries.
pub(crate) fn json_bytes(entries: &[(Cow<'_, str>, &RawValue)]) -> usize {
    entries.iter().map(|(key, value)| key.len() + value.get().len()).sum()
}

/// Parses the entries to an object.
pub(crate) fn parse_entries(entries: &[(Cow<'_, str>, &RawValue)]) -> Result<Map<String, Value>, String> {
    let mut values = Map::new();
    for (key, value) in entries {
        values.insert(key.clone().into_owned(), serde_json::from_str(value.get()).map_err(|error| error.to_string())?);
    }
    Ok(values)
}

/// Takes the file name out of the data, or else uses that of the upload.
pub(crate) fn take_file_name(data: &mut Map<String, Value>, file_upload: Option<&Value>) -> Option<String> {
    for key in ["source_file", "file_name"] {
        if data.get(key).and_then(Value::as_str).is_some_and(|name| !name.is_empty())
            && let Some(Value::String(name)) = data.remove(key)
        {
            return Some(name);
        }
    }
    file_upload.and_then(Value::as_str).map(str::to_owned)
}

/// Builds the metadata of a document: the data of the task, its `meta` under `meta`, and its unknown keys under `task`.
pub(crate) fn build_metadata(
    mut data: Map<String, Value>,
    meta: Option<Value>,
    unknown_keys: Map<String, Value>,
) -> Result<String, String> {
    if !unknown_keys.is_empty() {
        data.entry("task").or_insert(Value::Object(unknown_keys));
    }
    if let Some(Value::Object(meta)) = meta
        && !meta.is_empty()
    {
        data.entry("meta").or_insert(Value::Object(meta));
    }
    serde_json::to_string(&data).map_err(|error| error.to_string())
}
