//! The reference model: lists of everything that happened, scanned from the start for every query.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::command::{Decision, Form, Moment, Review, Task, value_strings};
use super::{DOCUMENTS, FIELDS};

/// Indexes of a document and a field.
pub(super) type DocumentField = (usize, usize);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    pub(super) key: DocumentField,
    /// `None` if the review was undone.
    pub(super) accepted: Option<Vec<String>>,
    pub(super) status: &'static str,
    pub(super) reference: String,
    /// `None` until it is read from the database.
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) position: i64,
}

/// Versions, each with the position from which it is valid.
type Versions<T> = Vec<(i64, T)>;

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) events: Vec<Event>,
    pub(super) texts: [Versions<u8>; DOCUMENTS],
    pub(super) titles: [Versions<u8>; DOCUMENTS],
    pub(super) forms: [Versions<Form>; FIELDS.len()],
    predictions: BTreeMap<(DocumentField, u8), (DateTime<Utc>, Vec<String>)>,
}

/// What a command must add. Positions are read from the database.
#[derive(Debug, Default)]
pub(super) struct Additions {
    pub(super) events: Vec<Event>,
    pub(super) texts: Vec<(usize, u8)>,
    pub(super) titles: Vec<(usize, u8)>,
}

impl Model {
    pub(super) fn exists(&self, document: usize) -> bool {
        !self.texts[document].is_empty()
    }

    /// The newest prediction of any extractor version.
    pub(super) fn predicted(&self, key: DocumentField) -> Option<Vec<String>> {
        let predictions = self.predictions.iter().filter(|((found, _), _)| *found == key);
        predictions.max_by_key(|((_, version), (at, _))| (*at, *version)).map(|(_, (_, value))| value.clone())
    }

    /// The latest event as of a position.
    pub(super) fn latest(&self, key: DocumentField, position: i64) -> Option<&Event> {
        let events = self.events.iter().filter(|event| event.key == key && event.position <= position);
        // of equal times the greater reference counts, and the order of arrival never
        events.max_by_key(|event| (event.at, event.reference.len(), &event.reference))
    }

    pub(super) fn status(&self, key: DocumentField, accepted: Option<&[String]>) -> &'static str {
        let predicted = self.predicted(key).unwrap_or_default();
        match accepted {
            None => "UNREVIEWED",
            Some([]) if predicted.is_empty() => "MISSING",
            Some([]) => "REJECTED",
            Some(_) if predicted.is_empty() => "NEW",
            Some(accepted) if predicted == accepted => "OK",
            Some(_) => "CORRECTED",
        }
    }

    fn event(&self, key: DocumentField, accepted: Option<Vec<String>>, reference: String, at: Option<DateTime<Utc>>) -> Event {
        let status = self.status(key, accepted.as_deref());
        Event { key, accepted, status, reference, at, position: 0 }
    }

    pub(super) fn add_versions(&self, document: usize, text: u8, title: u8, additions: &mut Additions) {
        if self.texts[document].last().is_none_or(|(_, newest)| *newest != text) {
            additions.texts.push((document, text));
        }
        if self.titles[document].last().is_none_or(|(_, newest)| *newest != title) {
            additions.titles.push((document, title));
        }
    }

    pub(super) fn import(&mut self, tasks: &[Task]) -> Additions {
        let mut additions = Additions::default();
        // an imported review covers every field that occurs in the file or in earlier events of the project
        let mut fields: BTreeSet<usize> = self.events.iter().map(|event| event.key.1).collect();
        for task in tasks {
            self.add_versions(task.document, task.text, task.title, &mut additions);
            let values_lists =
                task.annotations.iter().map(|(_, _, values)| values).chain(task.prediction.iter().map(|(_, _, values)| values));
            for values in values_lists {
                fields.extend((0..FIELDS.len()).filter(|field| values[*field].is_some()));
            }
        }
        for task in tasks {
            self.predict(task);
        }
        for task in tasks {
            for (id, at, values) in &task.annotations {
                let reference = reference(task.document, *id);
                for &field in &fields {
                    let key = (task.document, field);
                    let is_known = |event: &Event| event.key == key && event.reference == reference && event.at == Some(at.time());
                    if !self.events.iter().any(is_known) {
                        additions.events.push(self.event(key, Some(value_strings(values[field])), reference.clone(), Some(at.time())));
                    }
                }
            }
        }
        additions
    }

    fn predict(&mut self, task: &Task) {
        let Some((version, at, values)) = &task.prediction else { return };
        for field in (0..FIELDS.len()).filter(|field| values[*field].is_some()) {
            let stored =
                self.predictions.entry(((task.document, field), *version)).or_insert_with(|| (at.time(), value_strings(values[field])));
            if stored.0 <= at.time() {
                *stored = (at.time(), value_strings(values[field]));
            }
        }
    }

    /// Returns the event that a review adds, or the expected error.
    pub(super) fn review(&self, review: &Review, reference: &str) -> Result<Event, &'static str> {
        let key = (review.document, review.field);
        let reviewed = self.latest(key, i64::MAX).and_then(|event| event.accepted.as_ref());
        match (self.exists(review.document), review.up_to_date, review.decision) {
            (false, ..) => Err("unknown"),
            (_, false, _) => Err("stale"),
            (.., Decision::Undo) if reviewed.is_none() => Err("nothing to undo"),
            (.., decision) => {
                let accepted = match decision {
                    Decision::Set(value) => Some(value_strings(value)),
                    Decision::Undo => None,
                };
                Ok(self.event(key, accepted, reference.to_owned(), review.at.map(|minutes| Moment::Early(minutes).time())))
            }
        }
    }
}

/// Source reference of an imported annotation.
pub(super) fn reference(document: usize, id: u8) -> String {
    format!("annotation:{}", 100 * document + usize::from(id))
}

/// The version that is valid at a position.
pub(super) fn version_at<T: Copy>(versions: &Versions<T>, position: i64) -> Option<T> {
    versions.iter().rev().find(|(from, _)| *from <= position).map(|(_, version)| *version)
}
