//! File name and metadata of a document, from the keys of a task besides its text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aprendiz_annotation_types::truncate_printable;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::parse::digits::has_long_number;
use crate::parse::problems::describe_in;

/// Metadata by key. Values stay JSON text, so that numbers keep all digits.
pub(crate) type Metadata = BTreeMap<String, Box<RawValue>>;

/// Total bytes of the JSON of the entries.
pub(crate) fn json_bytes(entries: &[(Cow<'_, str>, &RawValue)]) -> usize {
    entries.iter().map(|(key, value)| key.len() + value.get().len()).sum()
}

/// Checks the entries and collects them; of a repeated key the last one counts.
pub(crate) fn parse_entries(entries: &[(Cow<'_, str>, &RawValue)]) -> Result<Metadata, String> {
    entries.iter().map(|(key, value)| Ok((key.clone().into_owned(), checked(value)?))).collect()
}

/// Checks metadata that was parsed with unchecked values.
pub(crate) fn check_metadata(metadata: Metadata) -> Result<Metadata, String> {
    let check = |(key, value): (String, Box<RawValue>)| match checked(&value) {
        Ok(value) => Ok((key, value)),
        Err(reason) => Err(format!("`{}`: {reason}", truncate_printable(&key, 60))),
    };
    metadata.into_iter().map(check).collect()
}

/// Parses a value to check its strings. It is written back in the form of the parser, unless it has numbers that the parser cannot hold.
fn checked(raw: &RawValue) -> Result<Box<RawValue>, String> {
    let value: Value = serde_json::from_str(raw.get()).map_err(|error| describe_in(raw.get(), &error))?;
    if has_long_number(raw.get()) { Ok(raw.to_owned()) } else { to_raw_value(&value).map_err(|error| error.to_string()) }
}

/// Takes the file name out of the data, or else uses that of the upload.
pub(crate) fn take_file_name(data: &mut Metadata, file_upload: Option<&Value>) -> Option<String> {
    for key in ["source_file", "file_name"] {
        let name = data.get(key).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            data.remove(key);
            return Some(name);
        }
    }
    file_upload.and_then(Value::as_str).map(str::to_owned)
}

/// Builds the metadata of a document: the data of the task, its `meta` under `meta`, and its unknown keys under `task`.
pub(crate) fn build_metadata(mut data: Metadata, meta: Option<&RawValue>, unknown_keys: &Metadata) -> Result<String, String> {
    let to_raw = |value: &Metadata| to_raw_value(value).map_err(|error| error.to_string());
    if !unknown_keys.is_empty() && !data.contains_key("task") {
        data.insert("task".to_owned(), to_raw(unknown_keys)?);
    }
    let meta = meta.map(checked).transpose()?;
    if let Some(meta) = meta.filter(|meta| meta.get().starts_with('{') && meta.get().len() > "{}".len()) {
        data.entry("meta".to_owned()).or_insert(meta);
    }
    serde_json::to_string(&data).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_all_digits() {
        let raw = r#"{"nfe": 35230212345678901234550010000000011000000019, "deep": [{"a": 0.12345678901234567890}], "n": 12.50}"#;
        let metadata: Metadata = serde_json::from_str(raw).unwrap();
        let built = build_metadata(check_metadata(metadata).unwrap(), None, &Metadata::new()).unwrap();
        assert_eq!(built, r#"{"deep":[{"a": 0.12345678901234567890}],"n":12.5,"nfe":35230212345678901234550010000000011000000019}"#);
    }

    #[test]
    fn invalid_strings_are_rejected_even_beside_long_numbers() {
        let metadata: Metadata = serde_json::from_str(r#"{"a": ["\ud800", 123456789012345678901]}"#).unwrap();
        assert!(check_metadata(metadata).is_err());
    }
}
