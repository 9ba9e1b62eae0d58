//! Elements of a JSON_MIN export: one annotation per element, with task data, values and annotation metadata in one flat object.
//!
//! Label Studio writes the keys of `data` first, then `id`, then one key per control, then `annotator` and further metadata. Only this
//! order separates values from data; an element with another order is quarantined. Control types are absent and inferred from the values.

use std::borrow::Cow;

use aprendiz_annotation_types::truncate_printable;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::format::result_item::ResultItem;
use crate::parse::digits::quote_long_numbers;
use crate::parse::metadata::{Metadata, parse_entries};
use crate::parse::problems::describe_in;

/// Known keys after the values that are ignored.
const UNUSED_KEYS: [&str; 1] = ["lead_time"];

/// A parsed element.
pub(crate) struct JsonMinElement {
    pub(crate) id: Option<Value>,
    pub(crate) data: Metadata,
    pub(crate) items: Vec<ResultItem>,
    pub(crate) annotation_id: Option<Value>,
    pub(crate) annotator: Option<Value>,
    pub(crate) created_at: Option<Value>,
    pub(crate) updated_at: Option<Value>,
    /// Unknown keys after the values.
    pub(crate) unknown: Vec<String>,
}

/// The entries of an object in file order.
type Entries<'a> = [(Cow<'a, str>, &'a RawValue)];

fn index_of(entries: &Entries<'_>, wanted: &str) -> Option<usize> {
    entries.iter().position(|(key, _)| key == wanted)
}

/// Checks the order of the keys.
///
/// # Errors
/// With the reason for quarantine.
pub(crate) fn check_order(entries: &Entries<'_>, text_key: &str) -> Result<(), String> {
    let indexes =
        (index_of(entries, text_key), index_of(entries, "id"), index_of(entries, "annotator"), index_of(entries, "annotation_id"));
    match indexes {
        (Some(text), Some(id), Some(annotator), Some(rest)) if text < id && id < annotator && annotator < rest => Ok(()),
        (None, ..) => Err(format!("the JSON_MIN element has no text at `{text_key}`: set the text key of the import")),
        _ => Err(format!(
            "the keys of this JSON_MIN element are not in the order `{text_key}`, `id`, values, `annotator`, which separates data from values: \
             export as JSON"
        )),
    }
}

/// Parses an element whose key order was checked. The text may have been removed.
///
/// # Errors
/// With the reason for quarantine.
pub(crate) fn parse_element(entries: &Entries<'_>) -> Result<JsonMinElement, String> {
    let (id, end) = index_of(entries, "id").zip(index_of(entries, "annotator")).ok_or("the JSON_MIN element has no id")?;
    let parse = |key: &str, value: &RawValue| {
        let quoted = quote_long_numbers(value.get(), "number");
        serde_json::from_str::<Value>(&quoted)
            .map_err(|error| format!("`{}`: {}", truncate_printable(key, 60), describe_in(&quoted, &error)))
    };
    let data = parse_entries(&entries[..id])?;
    let mut items = Vec::new();
    for (name, value) in &entries[id + 1..end] {
        match parse(name, value)? {
            // as if the control had no answer
            Value::Null => {}
            Value::Array(values) => items.extend(values.into_iter().map(|value| item(name, value))),
            value => items.push(item(name, value)),
        }
    }
    let mut rest = Map::new();
    for (key, value) in &entries[end..] {
        rest.insert(key.clone().into_owned(), parse(key, value)?);
    }
    let mut time = |key: &str| rest.remove(key).filter(|time| !time.is_null());
    let (created_at, updated_at) = (time("created_at"), time("updated_at"));
    Ok(JsonMinElement {
        id: Some(parse("id", entries[id].1)?),
        data,
        items,
        annotation_id: rest.remove("annotation_id").filter(|id| !id.is_null()),
        annotator: rest.remove("annotator"),
        created_at,
        updated_at,
        unknown: rest.into_iter().map(|(key, _)| key).filter(|key| !UNUSED_KEYS.contains(&key.as_str())).collect(),
    })
}

/// Converts a value to the result item that a JSON export would have.
fn item(name: &str, value: Value) -> ResultItem {
    let single = |key: &str, value: Value| Map::from_iter([(key.to_owned(), value)]);
    let (control, value) = match value {
        Value::String(text) => (Some("textarea"), single("text", Value::String(text))),
        Value::Number(number) => (Some("number"), single("number", Value::Number(number))),
        Value::Object(value) => {
            // labels first: a labelled span also has a text
            let control =
                ["labels", "choices", "taxonomy", "number", "rating", "datetime"].into_iter().find(|key| value.contains_key(*key));
            let control = control.or_else(|| value.contains_key("text").then_some("textarea"));
            (Some(control.unwrap_or("(unknown, in JSON_MIN)")), value)
        }
        other => (None, single("value", other)),
    };
    ResultItem { control: control.map(str::to_owned), from_name: Some(name.to_owned()), value: Some(value), ..ResultItem::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::task::OrderedObject;

    #[test]
    fn values_are_the_keys_between_id_and_annotator() {
        let raw = r#"{"text":"t","title":"x","id":7,"law":"Texas","parties":{"text":["A","B"]},"stars":[{"rating":4}],
                "span":[{"start":0,"end":1,"text":"t","labels":["law"]}],"annotator":1,"annotation_id":41,"created_at":null,
                "updated_at":"2024-01-01T00:00:00Z","lead_time":2.5}"#;
        let OrderedObject(entries) = serde_json::from_str(raw).unwrap();
        check_order(&entries, "text").unwrap();
        let element = parse_element(&entries).unwrap();
        let shown: Vec<_> =
            element.items.iter().map(|item| (item.from_name.as_deref().unwrap(), item.control.as_deref().unwrap())).collect();
        assert_eq!(shown, [("law", "textarea"), ("parties", "textarea"), ("stars", "rating"), ("span", "labels")]);
        assert_eq!(element.data.keys().collect::<Vec<_>>(), ["text", "title"]);
        assert_eq!(
            (element.annotation_id, element.updated_at.as_ref().and_then(Value::as_str)),
            (Some(41.into()), Some("2024-01-01T00:00:00Z"))
        );
    }

    #[test]
    fn keys_in_another_order_are_rejected() {
        for raw in [r#"{"annotation_id":1,"annotator":1,"id":7,"law":"Texas","text":"t"}"#, r#"{"id":7,"text":"t","annotator":1}"#] {
            let OrderedObject(entries) = serde_json::from_str(raw).unwrap();
            assert!(check_order(&entries, "text").unwrap_err().contains("export as JSON"), "{raw}");
        }
    }
}
