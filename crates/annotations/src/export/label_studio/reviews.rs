//! Groups events of fields into reviews of a document: one per reviewer, time and reference.

use std::collections::BTreeMap;

use aprendiz_label_studio::SOURCE;
use aprendiz_label_studio::write::{AcceptedValue, Review};
use chrono::{DateTime, Utc};

use crate::export::types::{ExportedDocument, ExportedEvent};
use aprendiz_annotation_types::ReviewStatus;

/// Events with equal keys form one review. The time comes first, because reviews are ordered by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ReviewKey<'d> {
    occurred_at: DateTime<Utc>,
    source: &'d str,
    source_ref: &'d str,
    is_undone: bool,
    reviewer: Option<&'d str>,
    note: Option<&'d str>,
}

/// The events of one review.
struct EventGroup<'d> {
    key: ReviewKey<'d>,
    /// Position of the first event.
    position: i64,
    events: Vec<FieldEvent<'d>>,
}

/// A field with one of its events.
type FieldEvent<'d> = (&'d str, &'d ExportedEvent);

/// Returns the reviews of a document by time, then by position.
pub(super) fn group_reviews(document: &ExportedDocument) -> Vec<Review<'_>> {
    let mut values = BTreeMap::new();
    let mut positions: Vec<i64> = Vec::new();
    let mut reviews: Vec<Review<'_>> = Vec::new();
    for EventGroup { key, position, events } in group_events(document) {
        for &(field, event) in &events {
            if key.is_undone {
                values.remove(field);
            } else {
                values.insert(field, AcceptedValue { value: &event.value, spans: event.spans.as_deref() });
            }
        }
        let label_studio_id = annotation_id(&key);
        if let Some(id) = label_studio_id {
            // ids are unique within a task: the last version of an annotation keeps its id
            for (earlier, position) in reviews.iter_mut().zip(&positions).filter(|(review, _)| review.id == id) {
                earlier.id = -position;
            }
        }
        positions.push(position);
        reviews.push(Review {
            id: label_studio_id.unwrap_or(-position),
            reviewer: key.reviewer,
            source: key.source,
            source_ref: key.source_ref,
            note: key.note,
            is_undone: key.is_undone,
            occurred_at: key.occurred_at,
            fields: events.iter().map(|(field, event)| (*field, event.review_status)).collect(),
            values: values.clone(),
        });
    }
    reviews
}

fn group_events(document: &ExportedDocument) -> Vec<EventGroup<'_>> {
    let mut groups: BTreeMap<ReviewKey<'_>, Vec<FieldEvent<'_>>> = BTreeMap::new();
    for (name, field) in &document.fields {
        for event in &field.events {
            let key = ReviewKey {
                occurred_at: event.occurred_at,
                source: &event.source,
                source_ref: &event.source_ref,
                is_undone: event.review_status == ReviewStatus::Unreviewed,
                reviewer: event.reviewer.as_deref(),
                note: event.note.as_deref(),
            };
            groups.entry(key).or_default().push((name, event));
        }
    }
    let mut ordered: Vec<EventGroup<'_>> = groups
        .into_iter()
        .map(|(key, events)| {
            let position = events.iter().map(|(_, event)| event.position).min().unwrap_or_default();
            EventGroup { key, position, events }
        })
        .collect();
    ordered.sort_by_key(|group| (group.key.occurred_at, group.position));
    ordered
}

/// Returns the id of the annotation in Label Studio, for a review that comes from there.
fn annotation_id(key: &ReviewKey<'_>) -> Option<i64> {
    if key.source != SOURCE || key.is_undone {
        return None;
    }
    let id = key.source_ref.strip_prefix("annotation:")?;
    id.parse::<i64>().ok().filter(|number| *number >= 0 && number.to_string() == id)
}
