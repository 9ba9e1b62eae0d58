//! One example as it is written to every file.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::split::Split;

/// A document with its reviewed values. Serialises to one line of JSONL.
#[derive(Debug, Serialize)]
pub(crate) struct Example {
    pub(crate) document_id: Uuid,
    pub(crate) split: Split,
    pub(crate) group: String,
    pub(crate) source: String,
    pub(crate) project: String,
    pub(crate) task_id: String,
    pub(crate) file_name: Option<String>,
    /// JSON object as the database prints it: never parsed, so numbers keep every digit.
    pub(crate) metadata: Box<RawValue>,
    pub(crate) text: String,
    #[serde(serialize_with = "as_map")]
    pub(crate) fields: Vec<ReviewedField>,
}

impl Example {
    /// What a reviewer said about the field; `None` = unreviewed.
    pub(crate) fn reviewed(&self, field: &str) -> Option<&ReviewedValue> {
        let index = self.fields.binary_search_by(|reviewed| reviewed.name.as_str().cmp(field)).ok()?;
        Some(&self.fields[index].value)
    }
}

/// A reviewed field of an example; `Example::fields` is sorted by name and holds each at most once.
#[derive(Debug)]
pub(crate) struct ReviewedField {
    pub(crate) name: String,
    pub(crate) value: ReviewedValue,
}

/// The latest accepted value and the event it comes from.
#[derive(Debug, Serialize)]
pub(crate) struct ReviewedValue {
    /// Empty = a reviewer says that there is no value.
    pub(crate) value: Vec<String>,
    /// Review status by its database name.
    pub(crate) status: String,
    /// Position of the event: its id.
    pub(crate) position: i64,
    pub(crate) reviewer: Option<String>,
    #[serde(serialize_with = "as_rfc3339")]
    pub(crate) occurred_at: DateTime<Utc>,
}

fn as_map<S: Serializer>(fields: &[ReviewedField], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(fields.len()))?;
    for field in fields {
        map.serialize_entry(&field.name, &field.value)?;
    }
    map.end()
}

/// Always six digits of a second, the resolution of the database.
fn as_rfc3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example(document: u128, split: Split, text: &str) -> Example {
        Example {
            document_id: Uuid::from_u128(document),
            split,
            group: "ab".into(),
            source: "label-studio".into(),
            project: "7".into(),
            task_id: document.to_string(),
            file_name: None,
            metadata: RawValue::from_string("{\"pages\": 12345678901234567890}".into()).unwrap(),
            text: text.into(),
            fields: vec![ReviewedField {
                name: "governing_law".into(),
                value: ReviewedValue {
                    value: vec![],
                    status: "REJECTED".into(),
                    position: 12,
                    reviewer: Some("3".into()),
                    occurred_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
                },
            }],
        }
    }

    #[test]
    fn a_line_has_its_keys_in_a_fixed_order_and_keeps_metadata_as_it_is() {
        let line = serde_json::to_string(&example(1, Split::Train, "a \"b\"\n")).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"document_id":"00000000-0000-0000-0000-000000000001","split":"train","group":"ab","source":"label-studio","#,
                r#""project":"7","task_id":"1","file_name":null,"metadata":{"pages": 12345678901234567890},"text":"a \"b\"\n","#,
                r#""fields":{"governing_law":{"value":[],"status":"REJECTED","position":12,"reviewer":"3","#,
                r#""occurred_at":"2023-11-14T22:13:20.000001Z"}}}"#
            )
        );
    }
}
