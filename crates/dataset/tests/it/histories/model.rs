//! What ought to be: lists of everything that happened, looked through from the start for every question.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::command::{Form, Moment, Review, Said, Task, words};
use super::{DOCUMENTS, FIELDS};

/// A document and a field.
pub(super) type Place = (usize, usize);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    pub(super) place: Place,
    /// `None` where the review was undone.
    pub(super) accepted: Option<Vec<String>>,
    pub(super) status: &'static str,
    pub(super) reference: String,
    /// `None` until the database has told it.
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) position: i64,
}

/// A version of something, with the position from which on it counts.
type Versions<T> = Vec<(i64, T)>;

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) events: Vec<Event>,
    pub(super) texts: [Versions<u8>; DOCUMENTS],
    pub(super) titles: [Versions<u8>; DOCUMENTS],
    pub(super) forms: [Versions<Form>; FIELDS.len()],
    predictions: BTreeMap<(Place, u8), (DateTime<Utc>, Vec<String>)>,
}

/// What a command must add; positions are told by the database.
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

    /// The newest prediction of any version.
    pub(super) fn predicted(&self, place: Place) -> Option<Vec<String>> {
        let of_place = self.predictions.iter().filter(|((found, _), _)| *found == place);
        of_place.max_by_key(|((_, version), (at, _))| (*at, *version)).map(|(_, (_, value))| value.clone())
    }

    /// The event that counts as of a position.
    pub(super) fn latest(&self, place: Place, position: i64) -> Option<&Event> {
        let known = self.events.iter().filter(|event| event.place == place && event.position <= position);
        known.max_by_key(|event| (event.at, event.position))
    }

    pub(super) fn status(&self, place: Place, accepted: Option<&[String]>) -> &'static str {
        let predicted = self.predicted(place).unwrap_or_default();
        match accepted {
            None => "UNREVIEWED",
            Some([]) if predicted.is_empty() => "MISSING",
            Some([]) => "REJECTED",
            Some(_) if predicted.is_empty() => "NEW",
            Some(accepted) if predicted == accepted => "OK",
            Some(_) => "CORRECTED",
        }
    }

    fn event(&self, place: Place, accepted: Option<Vec<String>>, reference: String, at: Option<DateTime<Utc>>) -> Event {
        let status = self.status(place, accepted.as_deref());
        Event { place, accepted, status, reference, at, position: 0 }
    }

    pub(super) fn arrive(&self, document: usize, text: u8, title: u8, additions: &mut Additions) {
        if self.texts[document].last().is_none_or(|(_, newest)| *newest != text) {
            additions.texts.push((document, text));
        }
        if self.titles[document].last().is_none_or(|(_, newest)| *newest != title) {
            additions.titles.push((document, title));
        }
    }

    pub(super) fn import(&mut self, tasks: &[Task]) -> Additions {
        let mut additions = Additions::default();
        // a review answers every field that the file names or the project has answers about
        let mut fields: BTreeSet<usize> = self.events.iter().map(|event| event.place.1).collect();
        for task in tasks {
            self.arrive(task.document, task.text, task.title, &mut additions);
            let answers = task.annotations.iter().map(|(_, _, values)| values).chain(task.prediction.iter().map(|(_, _, values)| values));
            for values in answers {
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
                    let place = (task.document, field);
                    let is_known = |event: &Event| event.place == place && event.reference == reference && event.at == Some(at.time());
                    if !self.events.iter().any(is_known) {
                        additions.events.push(self.event(place, Some(words(values[field])), reference.clone(), Some(at.time())));
                    }
                }
            }
        }
        additions
    }

    fn predict(&mut self, task: &Task) {
        let Some((version, at, values)) = &task.prediction else { return };
        for field in (0..FIELDS.len()).filter(|field| values[*field].is_some()) {
            let stored = self.predictions.entry(((task.document, field), *version)).or_insert_with(|| (at.time(), words(values[field])));
            if stored.0 <= at.time() {
                *stored = (at.time(), words(values[field]));
            }
        }
    }

    /// What a review adds; an error when it is refused.
    pub(super) fn review(&self, review: &Review, reference: &str) -> Result<Event, &'static str> {
        let place = (review.document, review.field);
        let reviewed = self.latest(place, i64::MAX).and_then(|event| event.accepted.as_ref());
        match (self.exists(review.document), review.up_to_date, review.said) {
            (false, ..) => Err("unknown"),
            (_, false, _) => Err("stale"),
            (.., Said::Undone) if reviewed.is_none() => Err("nothing to undo"),
            (.., said) => {
                let accepted = match said {
                    Said::Value(value) => Some(words(value)),
                    Said::Undone => None,
                };
                Ok(self.event(place, accepted, reference.to_owned(), review.at.map(|minutes| Moment::Early(minutes).time())))
            }
        }
    }
}

/// How an import calls an annotation.
pub(super) fn reference(document: usize, id: u8) -> String {
    format!("annotation:{}", 100 * document + usize::from(id))
}

/// What counts of the versions as of a position.
pub(super) fn version_at<T: Copy>(versions: &Versions<T>, position: i64) -> Option<T> {
    versions.iter().rev().find(|(from, _)| *from <= position).map(|(_, version)| *version)
}
