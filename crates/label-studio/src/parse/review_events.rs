//! Explicit per-field reviews, as found in Aprendiz exports and legacy review files.
//!
//! Any other annotation reviews every field of its project ([`crate::ParsedReview`]).

use std::collections::BTreeSet;

use aprendiz_annotation_types::{FieldKind, IndexedText, ReviewStatus, parse_time};
use chrono::{DateTime, Utc};

use crate::format::annotation::Annotation;
use crate::parse::field_values::{SpanCheck, collect, field_entry};
use crate::parse::scalars::{parse_id, parse_reviewer};

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
///
/// # Errors
/// With the reason for quarantine.
pub(crate) fn take_review_events(annotations: &mut Vec<Annotation>, text: &IndexedText<'_>) -> Result<Vec<ReviewEvent>, String> {
    let (extended, plain): (Vec<_>, Vec<_>) = std::mem::take(annotations).into_iter().partition(|annotation| annotation.aprendiz.is_some());
    *annotations = plain;
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for annotation in extended {
        let id = parse_id("id of an annotation", annotation.id.as_ref())?.unwrap_or_default();
        let events = parse_events(annotation, text).map_err(|reason| format!("annotation {id}: {reason}"))?;
        for event in events {
            let key = (event.source.clone(), event.source_ref.clone(), event.occurred_at, event.field.clone());
            if !seen.insert(key) {
                return Err(format!("annotation {id} occurs twice"));
            }
            all.push(event);
        }
    }
    Ok(all)
}

fn parse_events(annotation: Annotation, text: &IndexedText<'_>) -> Result<Vec<ReviewEvent>, String> {
    let Some(extension) = annotation.aprendiz else {
        return Ok(Vec::new());
    };
    extension.check()?;
    let time = annotation.updated_at.as_deref().or(annotation.created_at.as_deref());
    let occurred_at = parse_time(time.ok_or("it has neither updated_at nor created_at")?)?;
    let reviewer = parse_reviewer(annotation.completed_by.as_ref())?;
    // spans are accepted as they are: the text may have changed after the review
    let mut values = collect(&annotation.result.unwrap_or_default(), text, SpanCheck::Lenient, &mut |_| {})?;
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
