//! Events grouped to what Label Studio calls an annotation: all that one person said about a document at one time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::export::annotation::ExportedEvent;
use crate::export::document::ExportedDocument;
use crate::import::SOURCE;
use crate::review_status::ReviewStatus;

/// What makes events one review. The time comes first: reviews are in its order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReviewKey<'d> {
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) source: &'d str,
    pub(super) source_ref: &'d str,
    pub(super) undone: bool,
    pub(super) reviewer: Option<&'d str>,
    pub(super) note: Option<&'d str>,
}

/// One review.
#[derive(Debug)]
pub(super) struct Review<'d> {
    pub(super) key: ReviewKey<'d>,
    /// Of the annotation in Label Studio; else what no annotation there can have, a negative number.
    pub(super) id: i64,
    /// Of its first event.
    position: i64,
    /// The fields that it is about, with the status of each at its time.
    pub(super) fields: BTreeMap<&'d str, ReviewStatus>,
    /// What counts after it, by field: an annotation in Label Studio is about the whole document.
    pub(super) state: BTreeMap<&'d str, &'d ExportedEvent>,
}

/// A field with what was said about it.
type Reviewed<'d> = (&'d str, &'d ExportedEvent);

/// The reviews of a document in the order of their times; of equal times in that of their positions.
pub(super) fn reviews_of(document: &ExportedDocument) -> Vec<Review<'_>> {
    let mut groups: BTreeMap<ReviewKey<'_>, Vec<Reviewed<'_>>> = BTreeMap::new();
    for (field, said) in &document.fields {
        for event in &said.events {
            let key = ReviewKey {
                occurred_at: event.occurred_at,
                source: &event.source,
                source_ref: &event.source_ref,
                undone: event.review_status == ReviewStatus::Unreviewed,
                reviewer: event.reviewer.as_deref(),
                note: event.note.as_deref(),
            };
            groups.entry(key).or_default().push((field, event));
        }
    }
    let mut ordered: Vec<(ReviewKey<'_>, i64, Vec<Reviewed<'_>>)> = groups
        .into_iter()
        .map(|(key, events)| {
            let position = events.iter().map(|(_, event)| event.position).min().unwrap_or_default();
            (key, position, events)
        })
        .collect();
    ordered.sort_by_key(|(key, position, _)| (key.occurred_at, *position));

    let mut state = BTreeMap::new();
    let mut reviews: Vec<Review<'_>> = Vec::with_capacity(ordered.len());
    for (key, position, events) in ordered {
        for (field, event) in &events {
            if key.undone {
                state.remove(field);
            } else {
                state.insert(*field, *event);
            }
        }
        let known = annotation_id(&key);
        if let Some(id) = known {
            // an id stands once in a task: that of an annotation is the id of its last version
            for earlier in reviews.iter_mut().filter(|review| review.id == id) {
                earlier.id = -earlier.position;
            }
        }
        let fields = events.iter().map(|(field, event)| (*field, event.review_status)).collect();
        reviews.push(Review { key, id: known.unwrap_or(-position), position, fields, state: state.clone() });
    }
    reviews
}

fn annotation_id(key: &ReviewKey<'_>) -> Option<i64> {
    if key.source != SOURCE || key.undone {
        return None;
    }
    let id = key.source_ref.strip_prefix("annotation:")?;
    id.parse::<i64>().ok().filter(|number| *number >= 0 && number.to_string() == id)
}
