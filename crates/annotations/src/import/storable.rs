//! Texts of a report as the database can store them.

use aprendiz_annotation_types::{QuarantinedTask, remove_nul};
use serde::Serialize;
use serde_json::Value;

/// A report as JSON without NUL characters.
pub(super) fn storable_json(report: &impl Serialize) -> Value {
    let mut json = serde_json::to_value(report).expect("a report is plain data");
    remove_nuls(&mut json);
    json
}

fn remove_nuls(json: &mut Value) {
    match json {
        Value::String(text) if text.contains('\0') => *text = remove_nul(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(remove_nuls),
        Value::Object(items) => {
            if items.keys().any(|key| key.contains('\0')) {
                *items = std::mem::take(items).into_iter().map(|(key, item)| (remove_nul(&key).into_owned(), item)).collect();
            }
            items.values_mut().for_each(remove_nuls);
        }
        _ => {}
    }
}

/// The columns of quarantined tasks: indexes, ids, reasons and kept JSON, without NUL characters.
#[derive(Debug, Default)]
pub(super) struct QuarantineColumns {
    pub(super) indexes: Vec<i64>,
    pub(super) ids: Vec<Option<String>>,
    pub(super) reasons: Vec<String>,
    pub(super) kept: Vec<Option<String>>,
}

impl QuarantineColumns {
    pub(super) fn of(tasks: &[QuarantinedTask]) -> Self {
        let mut columns = Self::default();
        let storable = |text: &Option<String>| text.as_deref().map(|text| remove_nul(text).into_owned());
        for task in tasks {
            columns.indexes.push(i64::try_from(task.task_index).unwrap_or(i64::MAX));
            columns.ids.push(storable(&task.task_id));
            columns.reasons.push(remove_nul(&task.reason).into_owned());
            columns.kept.push(storable(&task.json));
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_text_has_a_nul() {
        let report = json!({"a\0": ["x\0y", {"\0": 1}], "b": "\0", "c": "\u{1}"});
        assert_eq!(storable_json(&report), json!({"a": ["xy", {"": 1}], "b": "", "c": "\u{1}"}));
        let task =
            QuarantinedTask { task_index: 7, task_id: Some("7\0".to_owned()), reason: "\0why".to_owned(), json: Some("{\0}".to_owned()) };
        let columns = QuarantineColumns::of(&[task]);
        assert_eq!((columns.ids[0].as_deref(), columns.reasons[0].as_str(), columns.kept[0].as_deref()), (Some("7"), "why", Some("{}")));
    }
}
