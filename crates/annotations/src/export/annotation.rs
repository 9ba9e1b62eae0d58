//! One field of one document: its state as of the position, and everything that led to it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::export::document::{ExportedDocument, FieldSaid};
use crate::review_status::ReviewStatus;

/// What a reviewer said.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedEvent {
    /// Place in the order of all events of the installation.
    pub position: i64,
    /// The value; empty = "no value", and with `UNREVIEWED` it does not count.
    pub value: Vec<String>,
    /// How it related to the prediction of its time.
    pub review_status: ReviewStatus,
    /// Places in the text, in code points; a JSON array.
    pub spans: Option<Box<RawValue>>,
    /// In the reviewer's words.
    pub note: Option<String>,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// Who recorded it.
    pub actor: Option<String>,
    /// Where it came from.
    pub source: String,
    /// Its id there.
    pub source_ref: String,
    /// When it was decided.
    pub occurred_at: DateTime<Utc>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// What a version of the extractor said.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedPrediction {
    /// The version.
    pub extractor_version: String,
    /// The value; empty = it found nothing.
    pub value: Vec<String>,
    /// How sure it was, 0 to 1.
    pub confidence: Option<f64>,
    /// When it said so.
    pub predicted_at: DateTime<Utc>,
}

/// A row of an export: one field of one document.
#[derive(Debug, Serialize)]
pub struct ExportedAnnotation<'d> {
    /// The document.
    pub document_id: Uuid,
    /// Where it came from.
    pub source: &'d str,
    /// Project within the source.
    pub project: &'d str,
    /// Id within the project.
    pub task_id: &'d str,
    /// Original file name.
    pub file_name: Option<&'d str>,
    /// The field.
    pub field: &'d str,
    /// What counts: null = unreviewed, empty = "no value".
    pub accepted_value: Option<&'d [String]>,
    /// What the extractor said last.
    pub predicted_value: Option<&'d [String]>,
    /// How sure it was.
    pub confidence: Option<f64>,
    /// How the two relate.
    pub review_status: ReviewStatus,
    /// Who decided it.
    pub reviewer: Option<&'d str>,
    /// When.
    pub occurred_at: Option<DateTime<Utc>>,
    /// All events up to the position, in its order.
    pub events: &'d [ExportedEvent],
    /// The last prediction of each version of the extractor, the newest last.
    pub predictions: &'d [ExportedPrediction],
}

impl FieldSaid {
    /// The event that counts: the greatest time of decision, then the greatest position.
    pub(super) fn latest(&self) -> Option<&ExportedEvent> {
        self.events.iter().max_by_key(|event| (event.occurred_at, event.position))
    }
}

impl ExportedDocument {
    /// The rows of the document, by field.
    pub fn annotations(&self) -> impl Iterator<Item = ExportedAnnotation<'_>> {
        self.fields.iter().map(|(field, said)| {
            let latest = said.latest();
            let counts = latest.filter(|event| event.review_status != ReviewStatus::Unreviewed);
            let newest = said.predictions.last();
            let accepted_value = counts.map(|event| event.value.as_slice());
            let predicted_value = newest.map(|prediction| prediction.value.as_slice());
            ExportedAnnotation {
                document_id: self.id,
                source: &self.source,
                project: &self.project,
                task_id: &self.task_id,
                file_name: self.file_name.as_deref(),
                field,
                accepted_value,
                predicted_value,
                confidence: newest.and_then(|prediction| prediction.confidence),
                review_status: status(predicted_value, accepted_value),
                reviewer: latest.and_then(|event| event.reviewer.as_deref()),
                occurred_at: latest.map(|event| event.occurred_at),
                events: &said.events,
                predictions: &said.predictions,
            }
        })
    }
}

/// The rule of `state.rs`, for the state as of a position. Values are compared as sets.
fn status(predicted: Option<&[String]>, accepted: Option<&[String]>) -> ReviewStatus {
    let predicted = predicted.unwrap_or_default();
    match accepted {
        None => ReviewStatus::Unreviewed,
        Some([]) if predicted.is_empty() => ReviewStatus::Missing,
        Some([]) => ReviewStatus::Rejected,
        Some(_) if predicted.is_empty() => ReviewStatus::New,
        Some(accepted)
            if accepted.iter().all(|value| predicted.contains(value)) && predicted.iter().all(|value| accepted.contains(value)) =>
        {
            ReviewStatus::Ok
        }
        Some(_) => ReviewStatus::Corrected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_from_both_values() {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let (none, a, ab, ba) = (values(&[]), values(&["a"]), values(&["a", "b"]), values(&["b", "a"]));
        for (predicted, accepted, expected) in [
            (Some(&a), None, ReviewStatus::Unreviewed),
            (None, Some(&none), ReviewStatus::Missing),
            (Some(&none), Some(&none), ReviewStatus::Missing),
            (Some(&a), Some(&none), ReviewStatus::Rejected),
            (Some(&none), Some(&a), ReviewStatus::New),
            (Some(&ab), Some(&ba), ReviewStatus::Ok),
            (Some(&ab), Some(&a), ReviewStatus::Corrected),
        ] {
            let slice = |value: Option<&Vec<String>>| value.map(Vec::as_slice).map(<[String]>::to_vec);
            assert_eq!(status(slice(predicted).as_deref(), slice(accepted).as_deref()), expected);
        }
    }
}
