//! One example as it is written to every file.

use annotations::ReviewStatus;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::split::Split;

/// A document with its reviewed values.
#[derive(Debug)]
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
    /// Sorted by place; each place at most once; a place that is not there is unreviewed.
    pub(crate) fields: Vec<ReviewedField>,
}

/// The latest accepted value of a field and the event it comes from.
#[derive(Debug, Serialize)]
pub(crate) struct ReviewedField {
    /// Place of the field among those of the selection, from 0.
    #[serde(skip)]
    pub(crate) place: usize,
    /// Empty = a reviewer says that there is no value.
    pub(crate) value: Vec<String>,
    /// As it was recorded with the review.
    pub(crate) status: ReviewStatus,
    /// Position of the event: its id.
    pub(crate) position: i64,
    pub(crate) reviewer: Option<String>,
    #[serde(serialize_with = "as_rfc3339")]
    pub(crate) occurred_at: DateTime<Utc>,
}

/// An example as one line of JSONL.
pub(crate) struct Line<'a> {
    pub(crate) example: &'a Example,
    /// Names of the fields of the selection.
    pub(crate) names: &'a [String],
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Example { document_id, split, group, source, project, task_id, file_name, metadata, text, fields } = self.example;
        let mut line = serializer.serialize_struct("Example", 10)?;
        line.serialize_field("document_id", document_id)?;
        line.serialize_field("split", split)?;
        line.serialize_field("group", group)?;
        line.serialize_field("source", source)?;
        line.serialize_field("project", project)?;
        line.serialize_field("task_id", task_id)?;
        line.serialize_field("file_name", file_name)?;
        line.serialize_field("metadata", metadata)?;
        line.serialize_field("text", text)?;
        line.serialize_field("fields", &ByName { fields, names: self.names })?;
        line.end()
    }
}

struct ByName<'a> {
    fields: &'a [ReviewedField],
    names: &'a [String],
}

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields.iter().map(|field| (&self.names[field.place], field)))
    }
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
                place: 0,
                value: vec![],
                status: ReviewStatus::Rejected,
                position: 12,
                reviewer: Some("3".into()),
                occurred_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            }],
        }
    }

    #[test]
    fn a_line_has_its_keys_in_a_fixed_order_and_keeps_metadata_as_it_is() {
        let example = example(1, Split::Train, "a \"b\"\n");
        let line = serde_json::to_string(&Line { example: &example, names: &["governing_law".into()] }).unwrap();
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
