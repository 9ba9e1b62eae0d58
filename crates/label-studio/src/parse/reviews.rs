//! Annotations of a task that count as reviews.

use std::collections::BTreeSet;

use aprendiz_annotation_types::{IndexedText, ReviewStatus, review_order};
use chrono::{DateTime, Utc};

use crate::options::GroundTruth;
use crate::parse::field_value::{FieldValue, FieldValues};
use crate::parse::field_values::collect;
use crate::parse::listed_annotation::ListedAnnotation;
use crate::parse::parser::Parser;
use crate::parse::places::SpanCheck;
use crate::parse::result_notes::ResultNotes;
use crate::parse::scalars::{parse_id, parse_reviewer};
use crate::parse::times::review_time;
use crate::parsed_task::{ParsedPrediction, ParsedReview};
use crate::source::SOURCE;

/// An annotation that counts but cannot be read.
struct Unreadable {
    name: String,
    source_ref: Option<String>,
    occurred_at: Option<DateTime<Utc>>,
    reasons: Vec<String>,
}

impl Unreadable {
    /// Whether a later annotation decides, so that this one may be left out.
    fn is_superseded(&self, reviews: &[ParsedReview]) -> bool {
        let (Some(source_ref), Some(occurred_at)) = (&self.source_ref, self.occurred_at) else {
            return false;
        };
        let order = review_order(occurred_at, source_ref, SOURCE);
        reviews.iter().any(|review| review.order() > order)
    }
}

impl Parser<'_> {
    /// Converts annotations to reviews and leaves out those that do not count. An annotation that cannot be read costs the task, unless a
    /// later one supersedes it.
    pub(super) fn parse_reviews(
        &mut self,
        annotations: Vec<ListedAnnotation>,
        predictions: &[ParsedPrediction],
        text: &IndexedText<'_>,
    ) -> Vec<ParsedReview> {
        let only_truth = self.options.ground_truth == GroundTruth::Prefer
            && annotations.iter().any(|listed| !listed.is_cancelled() && listed.is_ground_truth());
        let mut reviews: Vec<ParsedReview> = Vec::with_capacity(annotations.len());
        let mut unreadable = Vec::new();
        for listed in annotations {
            if listed.is_cancelled() {
                self.findings.ignored.cancelled += 1;
                continue;
            }
            if only_truth && !listed.is_ground_truth() {
                self.findings.ignored.not_ground_truth += 1;
                continue;
            }
            match self.parse_review(listed, &reviews, predictions, text) {
                Ok(review) => reviews.push(review),
                Err(annotation) => unreadable.push(annotation),
            }
        }
        for annotation in unreadable {
            if annotation.is_superseded(&reviews) {
                let reason = format!("an annotation that a later one supersedes cannot be read: {}", annotation.reasons.join(", "));
                self.problems.note(reason, annotation.name);
            } else {
                annotation.reasons.iter().for_each(|reason| self.problems.reject(format!("{}: {reason}", annotation.name)));
            }
        }
        reviews
    }

    fn parse_review(
        &mut self,
        listed: ListedAnnotation,
        reviews: &[ParsedReview],
        predictions: &[ParsedPrediction],
        text: &IndexedText<'_>,
    ) -> Result<ParsedReview, Unreadable> {
        let mut reasons = listed.faults();
        let ListedAnnotation { index, annotation, .. } = listed;
        let (name, id) = match parse_id("id", annotation.id.as_ref()) {
            Ok(Some(id)) => (format!("annotation {id}"), Some(id)),
            without => {
                reasons.push(without.err().unwrap_or_else(|| {
                    "it has no id: add an `id` that is unique in the project, or import the file into Label Studio and export it as JSON"
                        .to_owned()
                }));
                (format!("the annotation at index {index}"), None)
            }
        };
        let source_ref = id.map(|id| format!("annotation:{id}"));
        let occurred_at = review_time(annotation.updated_at.as_ref(), annotation.created_at.as_ref(), self.options.clock)
            .map_err(|reason| reasons.push(reason))
            .ok();
        if annotation.malformed.contains(&"ground_truth") {
            self.problems.note("`ground_truth` is neither true nor false", name.as_str());
        }
        if source_ref.as_ref().is_some_and(|source_ref| reviews.iter().any(|review| review.source_ref == *source_ref)) {
            reasons.push("its id occurs twice in the task".to_owned());
        }
        let mut result = annotation.result.unwrap_or_default();
        self.canonicalize_items(&mut result.items);
        let mut notes = ResultNotes::default();
        let mut values = collect(&result, text, SpanCheck::Strict, &mut notes);
        reasons.extend(notes.unassigned.take());
        let (Some(source_ref), Some(occurred_at), true) = (source_ref.clone(), occurred_at, reasons.is_empty()) else {
            return Err(Unreadable { name, source_ref, occurred_at, reasons });
        };
        self.add_bad_places(notes.bad_places, &notes.unreadable, "its field counts as unreviewed", &name);
        self.add_notes(notes.left_out, &notes.unknown_controls, "its field counts as unreviewed", &name);
        let reviewer = parse_reviewer(annotation.completed_by.as_ref()).unwrap_or_else(|reason| {
            self.problems.note(format!("the reviewer was left out: {reason}"), name.as_str());
            None
        });
        self.normalize(&mut values);
        let mut unresolved = apply_statuses(&mut values, predictions);
        self.findings.ignored.statuses_without_value += unresolved.len() as u64;
        unresolved.extend(notes.unreadable);
        Ok(ParsedReview { source_ref, occurred_at, reviewer, values, unresolved })
    }

    /// Adds what was left out of a result to the problems of the task; `consequence` says what follows for the field of an item.
    pub(super) fn add_notes(
        &mut self,
        left_out: Vec<(String, Option<String>)>,
        unknown_controls: &[String],
        consequence: &str,
        name: &str,
    ) {
        unknown_controls.iter().for_each(|control| self.findings.unknown_controls.count("", control));
        for (reason, field) in left_out {
            match field {
                Some(field) => self.problems.note(format!("{reason}; {consequence}"), format!("{name}, {field}")),
                None => self.problems.note(reason, name),
            }
        }
    }
}

impl Parser<'_> {
    /// Adds places that were left out; `consequence` says what follows if its field has no other value.
    pub(super) fn add_bad_places(
        &mut self,
        bad_places: Vec<(String, Option<String>)>,
        unreadable: &BTreeSet<String>,
        consequence: &str,
        name: &str,
    ) {
        for (reason, field) in bad_places {
            let place = field.as_ref().map_or_else(|| name.to_owned(), |field| format!("{name}, {field}"));
            let is_only_value = field.is_some_and(|field| unreadable.contains(&field));
            self.problems.note(if is_only_value { format!("{reason}; {consequence}") } else { reason }, place);
        }
    }
}

/// Adjusts values to their review statuses. Returns the fields whose status accepts a value that is nowhere to be found.
fn apply_statuses(values: &mut FieldValues, predictions: &[ParsedPrediction]) -> BTreeSet<String> {
    let mut unresolved = BTreeSet::new();
    for (field, value) in values.iter_mut() {
        match value.status {
            Some(ReviewStatus::Rejected | ReviewStatus::Missing) => value.values.clear(),
            Some(ReviewStatus::Ok) if value.values.is_empty() => {
                let predicted = predictions.iter().rev().find_map(|prediction| prediction.values.get(field));
                value.values = predicted.map(FieldValue::value).unwrap_or_default();
                if value.values.is_empty() {
                    unresolved.insert(field.clone());
                }
            }
            Some(_) if value.values.is_empty() => {
                unresolved.insert(field.clone());
            }
            _ => {}
        }
    }
    unresolved
}
