//! Export rows: one field of one document, with its state as of the position and its history.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::export::types::{ExportedDocument, ExportedEvent, ExportedField, ExportedPrediction};
use aprendiz_annotation_types::{ReviewStatus, escape_line_breaks};

/// A row of an export: one field of one document.
#[derive(Debug, Serialize)]
pub struct ExportedAnnotation<'d> {
    /// The document.
    pub document_id: Uuid,
    /// Source of the document.
    pub source: &'d str,
    /// Project within the source.
    pub project: &'d str,
    /// Id within the project.
    pub task_id: &'d str,
    /// Original file name.
    pub file_name: Option<&'d str>,
    /// The field.
    pub field: &'d str,
    /// Accepted value: null = unreviewed, empty = "no value".
    pub accepted_value: Option<&'d [String]>,
    /// Latest prediction.
    pub predicted_value: Option<&'d [String]>,
    /// Confidence of the latest prediction.
    pub confidence: Option<f64>,
    /// Relation of the two values.
    pub review_status: ReviewStatus,
    /// Who decided it.
    pub reviewer: Option<&'d str>,
    /// Time of the decision.
    pub occurred_at: Option<DateTime<Utc>>,
    /// All events up to the position, by position.
    pub events: &'d [ExportedEvent],
    /// The latest prediction of each version of the extractor, latest last.
    pub predictions: &'d [ExportedPrediction],
}

impl ExportedDocument {
    /// Returns the rows of the document by field.
    pub fn annotations(&self) -> impl Iterator<Item = ExportedAnnotation<'_>> {
        self.fields.iter().map(|(name, field)| self.annotation(name, field))
    }

    fn annotation<'d>(&'d self, name: &'d str, field: &'d ExportedField) -> ExportedAnnotation<'d> {
        let latest = field.latest_event();
        let accepted = latest.filter(|event| event.review_status != ReviewStatus::Unreviewed);
        let prediction = field.predictions.last();
        let accepted_value = accepted.map(|event| event.value.as_slice());
        let predicted_value = prediction.map(|prediction| prediction.value.as_slice());
        ExportedAnnotation {
            document_id: self.id,
            source: &self.source,
            project: &self.project,
            task_id: &self.task_id,
            file_name: self.file_name.as_deref(),
            field: name,
            accepted_value,
            predicted_value,
            confidence: prediction.and_then(|prediction| prediction.confidence),
            review_status: derive_status(predicted_value, accepted_value),
            reviewer: latest.and_then(|event| event.reviewer.as_deref()),
            occurred_at: latest.map(|event| event.occurred_at),
            events: &field.events,
            predictions: &field.predictions,
        }
    }
}

/// Appends a row as a JSON line.
///
/// # Panics
/// Never: a row is plain data.
pub fn write_line(annotation: &ExportedAnnotation<'_>, to: &mut Vec<u8>) {
    let from = to.len();
    serde_json::to_writer(&mut *to, annotation).expect("a row is plain data");
    escape_line_breaks(to, from);
    to.push(b'\n');
}

/// Appends the line that ends an export. The framing of HTTP does not show the end behind every proxy, so the content must: without this
/// line an export is not complete.
///
/// # Panics
/// Never: a number is plain data.
pub fn write_end_line(end: ExportEnd, to: &mut Vec<u8>) {
    serde_json::to_writer(&mut *to, &EndLine { end }).expect("a number is plain data");
    to.push(b'\n');
}

/// Reads the line that ends an export; `None` for a row.
#[must_use]
pub fn read_end_line(line: &[u8]) -> Option<ExportEnd> {
    // cheap for rows, which start with another key
    let line: EndLine = line.starts_with(br#"{"end":"#).then(|| serde_json::from_slice(line).ok()).flatten()?;
    Some(line.end)
}

/// What the last line of an export says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportEnd {
    /// Number of rows before it in the same response.
    pub rows: u64,
    /// Position of the export.
    pub position: i64,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    end: ExportEnd,
}

/// Same rule as `state_sql.rs`, for the state as of a position. Values are compared as sets.
fn derive_status(predicted: Option<&[String]>, accepted: Option<&[String]>) -> ReviewStatus {
    let predicted = predicted.unwrap_or_default();
    match accepted {
        None => ReviewStatus::Unreviewed,
        Some([]) if predicted.is_empty() => ReviewStatus::Missing,
        Some([]) => ReviewStatus::Rejected,
        Some(_) if predicted.is_empty() => ReviewStatus::New,
        Some(accepted) if accepted.iter().collect::<HashSet<_>>() == predicted.iter().collect() => ReviewStatus::Ok,
        Some(_) => ReviewStatus::Corrected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_differs_from_every_row() {
        let end = ExportEnd { rows: 7, position: 40 };
        let mut line = Vec::new();
        write_end_line(end, &mut line);
        assert_eq!(line, b"{\"end\":{\"rows\":7,\"position\":40}}\n");
        assert_eq!(read_end_line(line.trim_ascii_end()), Some(end));
        for other in
            [&b"{\"document_id\":\"a\",\"end\":{\"rows\":7,\"position\":40}}"[..], b"{\"end\":{\"rows\":7,\"pos", b"{\"end\":1}", b""]
        {
            assert_eq!(read_end_line(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

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
            assert_eq!(derive_status(slice(predicted).as_deref(), slice(accepted).as_deref()), expected);
        }
    }
}
