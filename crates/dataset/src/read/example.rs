//! An example: a document with its reviewed values.

use aprendiz_annotations::ReviewStatus;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::split::Split;

/// A document with its reviewed values, as written to every file.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) document_id: Uuid,
    pub(crate) split: Split,
    pub(crate) group: String,
    pub(crate) source: String,
    pub(crate) project: String,
    pub(crate) task_id: String,
    pub(crate) file_name: Option<String>,
    /// JSON object as printed by the database. It is never parsed, so numbers keep all digits.
    pub(crate) metadata: Box<RawValue>,
    pub(crate) text: String,
    /// Sorted by `field_index`, without duplicates; a missing index means that the field is unreviewed.
    pub(crate) fields: Vec<ReviewedField>,
}

/// The latest accepted value of a field and the event it comes from.
#[derive(Debug, Serialize)]
pub(crate) struct ReviewedField {
    /// Index of the field in the selection.
    #[serde(skip)]
    pub(crate) field_index: usize,
    /// Empty means that a reviewer recorded "no value".
    pub(crate) value: Vec<String>,
    /// Status recorded with the review.
    pub(crate) status: ReviewStatus,
    /// Position of the event, which is its id.
    pub(crate) position: i64,
    pub(crate) reviewer: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub(crate) occurred_at: DateTime<Utc>,
}

/// Writes microseconds, the resolution of the database.
fn serialize_rfc3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

#[cfg(test)]
pub(crate) mod fixtures {
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
                field_index: 0,
                value: vec![],
                status: ReviewStatus::Rejected,
                position: 12,
                reviewer: Some("3".into()),
                occurred_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            }],
        }
    }
}
