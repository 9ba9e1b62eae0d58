//! Explicit per-field reviews, as found in Aprendiz exports and legacy review files.
//!
//! Any other annotation reviews every field of its project ([`crate::ParsedReview`]).

use std::collections::BTreeSet;

use aprendiz_annotation_types::{Clock, FieldKind, IndexedText, ReviewStatus};
use chrono::{DateTime, Utc};

use crate::format::annotation::Annotation;
use crate::parse::field_values::{collect, field_entry};
use crate::parse::listed_annotation::ListedAnnotation;
use crate::parse::places::SpanCheck;
use crate::parse::problems::Problems;
use crate::parse::result_notes::ResultNotes;
use crate::parse::scalars::{parse_id, parse_reviewer};
use crate::parse::times::review_time;

/// A review of one field.
#[derive(Debug)]
pub struct ReviewEvent {
    /// The field.
    pub field: String,
    /// Kind of the field, inferred from the value.
    pub kind: Option<FieldKind>,
    /// The reviewed value; empty means "no value".
    pub value: Vec<String>,
    /// Relation to the prediction at that time. `UNREVIEWED` undoes an earlier review.
    pub status: ReviewStatus,
    /// Spans as a JSON array.
    pub spans: Option<String>,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// Note of the reviewer.
    pub note: Option<String>,
    /// Source of the review.
    pub source: String,
    /// Id within the source.
    pub source_ref: String,
    /// When it was decided.
    pub occurred_at: DateTime<Utc>,
}

/// Removes the annotations of an Aprendiz export from the list and returns their review events.
pub(super) fn take_review_events(
    annotations: &mut Vec<ListedAnnotation>,
    text: &IndexedText<'_>,
    clock: Option<Clock>,
    problems: &mut Problems,
) -> Vec<ReviewEvent> {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for listed in annotations.extract_if(.., |listed| listed.annotation.aprendiz.is_some()) {
        let faults = listed.faults();
        let ListedAnnotation { index, annotation, .. } = listed;
        let name = match parse_id("id", annotation.id.as_ref()) {
            Ok(Some(id)) => format!("annotation {id}"),
            _ => format!("the annotation at index {index}"),
        };
        let events = match faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => parse_events(annotation, text, clock),
        };
        for event in problems.require(events.map_err(|reason| format!("{name}: {reason}"))).unwrap_or_default() {
            let key = (event.source.clone(), event.source_ref.clone(), event.occurred_at, event.field.clone());
            if !seen.insert(key) {
                problems.reject(format!("{name}: it occurs twice in the task"));
            }
            all.push(event);
        }
    }
    all
}

fn parse_events(annotation: Annotation, text: &IndexedText<'_>, clock: Option<Clock>) -> Result<Vec<ReviewEvent>, String> {
    let Some(extension) = annotation.aprendiz else {
        return Ok(Vec::new());
    };
    extension.check()?;
    let occurred_at = review_time(annotation.updated_at.as_ref(), annotation.created_at.as_ref(), clock)?;
    let reviewer = parse_reviewer(annotation.completed_by.as_ref())?;
    let mut notes = ResultNotes::default();
    // spans are accepted as they are: the text may have changed after the review
    let mut values = collect(&annotation.result.unwrap_or_default(), text, SpanCheck::Stored, &mut notes);
    // Aprendiz wrote it: what cannot be read was changed since
    if let Some((reason, _)) = notes.left_out.into_iter().next() {
        return Err(reason);
    }
    let mut events = Vec::with_capacity(extension.fields.len());
    for (field, status) in extension.fields {
        let entry = field_entry(&mut values, &field)?;
        // a field without a result item has no value
        entry.has_control = true;
        let undone = status == ReviewStatus::Unreviewed;
        let value = if undone { Vec::new() } else { entry.value() };
        let is_consistent = match status {
            ReviewStatus::Ok | ReviewStatus::Corrected | ReviewStatus::New => !value.is_empty(),
            ReviewStatus::Rejected | ReviewStatus::Missing => value.is_empty(),
            ReviewStatus::Unreviewed => true,
        };
        if !is_consistent {
            return Err(format!("the status {status} of `{field}` contradicts its value"));
        }
        let spans =
            (!undone && !entry.spans.is_empty()).then(|| serde_json::to_string(&entry.spans).expect("spans are numbers and strings"));
        events.push(ReviewEvent {
            kind: entry.kind(),
            field,
            value,
            status,
            spans,
            reviewer: reviewer.clone(),
            note: extension.note.clone(),
            source: extension.source.clone(),
            source_ref: extension.source_ref.clone(),
            occurred_at,
        });
    }
    Ok(events)
}
