//! An element of a JSON_MIN export: one annotation of a task, with data, id, answers and the rest side by side.
//!
//! Label Studio writes the keys of the data first, then `id`, then one key per control, then `annotator` and what follows. So their order
//! tells what is an answer; where it was lost, the element is quarantined rather than guessed at. The types of controls are not there at all.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::import::objects::Item;

/// Keys after the answers that say nothing about them.
const UNUSED: [&str; 1] = ["lead_time"];

/// What such an element says.
pub(super) struct Flat {
    pub(super) id: Option<Value>,
    pub(super) data: Map<String, Value>,
    pub(super) items: Vec<Item>,
    pub(super) annotation_id: Option<Value>,
    pub(super) annotator: Option<Value>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    /// Keys after the answers that are not known here.
    pub(super) unknown: Vec<String>,
}

/// The entries of an object, in their order.
type Entries<'a> = [(Cow<'a, str>, &'a RawValue)];

fn place(entries: &Entries<'_>, wanted: &str) -> Option<usize> {
    entries.iter().position(|(key, _)| key == wanted)
}

/// Refuses what did not keep the order of its keys.
pub(super) fn check_order(entries: &Entries<'_>, text_key: &str) -> Result<(), String> {
    let places = (place(entries, text_key), place(entries, "id"), place(entries, "annotator"), place(entries, "annotation_id"));
    match places {
        (Some(text), Some(id), Some(annotator), Some(rest)) if text < id && id < annotator && annotator < rest => Ok(()),
        (None, ..) => Err(format!("the element of JSON_MIN has no text at `{text_key}`: name the key that holds it")),
        _ => Err(format!(
            "the keys of this element of JSON_MIN are not in the order `{text_key}`, `id`, answers, `annotator`, by which data and answers \
             are told apart: export as JSON"
        )),
    }
}

/// Reads an element whose order was checked; the text may have been taken out.
///
/// # Errors
/// With the reason for quarantine.
pub(super) fn read(entries: &Entries<'_>) -> Result<Flat, String> {
    let (id, end) = place(entries, "id").zip(place(entries, "annotator")).ok_or("an element of JSON_MIN has no id")?;
    let parse = |value: &RawValue| serde_json::from_str::<Value>(value.get()).map_err(|error| error.to_string());
    let mut data = Map::new();
    for (key, value) in &entries[..id] {
        data.insert(key.clone().into_owned(), parse(value)?);
    }
    let mut items = Vec::new();
    for (name, value) in &entries[id + 1..end] {
        match parse(value)? {
            Value::Array(values) => items.extend(values.into_iter().map(|value| item(name, value))),
            value => items.push(item(name, value)),
        }
    }
    let mut rest = Map::new();
    for (key, value) in &entries[end..] {
        rest.insert(key.clone().into_owned(), parse(value)?);
    }
    let mut time = |key: &str| match rest.remove(key) {
        Some(Value::String(time)) => Some(time),
        _ => None,
    };
    let (created_at, updated_at) = (time("created_at"), time("updated_at"));
    Ok(Flat {
        id: Some(parse(entries[id].1)?),
        data,
        items,
        annotation_id: rest.remove("annotation_id").filter(|id| !id.is_null()),
        annotator: rest.remove("annotator"),
        created_at,
        updated_at,
        unknown: rest.into_iter().map(|(key, _)| key).filter(|key| !UNUSED.contains(&key.as_str())).collect(),
    })
}

/// One value as an item of a whole export would hold it.
fn item(name: &str, value: Value) -> Item {
    let single = |key: &str, value: Value| Map::from_iter([(key.to_owned(), value)]);
    let (control, value) = match value {
        Value::String(text) => ("textarea", single("text", Value::String(text))),
        Value::Number(number) => ("number", single("number", Value::Number(number))),
        Value::Object(value) => {
            // labels first: a labelled span has a text, too
            let known = ["labels", "choices", "taxonomy", "number", "rating", "datetime"].into_iter().find(|key| value.contains_key(*key));
            let control = known.or_else(|| value.contains_key("text").then_some("textarea"));
            (control.unwrap_or("(unknown, in JSON_MIN)"), value)
        }
        other => ("(unknown, in JSON_MIN)", single("value", other)),
    };
    Item { control: Some(control.to_owned()), from_name: Some(name.to_owned()), value: Some(value), ..Item::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::task::Ordered;

    #[test]
    fn answers_are_what_stands_between_id_and_annotator() {
        let raw = r#"{"text":"t","title":"x","id":7,"law":"Texas","parties":{"text":["A","B"]},"stars":[{"rating":4}],
                "span":[{"start":0,"end":1,"text":"t","labels":["law"]}],"annotator":1,"annotation_id":41,"created_at":null,
                "updated_at":"2024-01-01T00:00:00Z","lead_time":2.5}"#;
        let Ordered(entries) = serde_json::from_str(raw).unwrap();
        check_order(&entries, "text").unwrap();
        let flat = read(&entries).unwrap();
        let shown: Vec<_> = flat.items.iter().map(|item| (item.from_name.as_deref().unwrap(), item.control.as_deref().unwrap())).collect();
        assert_eq!(shown, [("law", "textarea"), ("parties", "textarea"), ("stars", "rating"), ("span", "labels")]);
        assert_eq!(flat.data.keys().collect::<Vec<_>>(), ["text", "title"]);
        assert_eq!((flat.annotation_id, flat.updated_at.as_deref()), (Some(41.into()), Some("2024-01-01T00:00:00Z")));
    }

    #[test]
    fn keys_in_another_order_are_refused() {
        for raw in [r#"{"annotation_id":1,"annotator":1,"id":7,"law":"Texas","text":"t"}"#, r#"{"id":7,"text":"t","annotator":1}"#] {
            let Ordered(entries) = serde_json::from_str(raw).unwrap();
            assert!(check_order(&entries, "text").unwrap_err().contains("export as JSON"), "{raw}");
        }
    }
}
