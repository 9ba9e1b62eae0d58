//! Annotations of a task that count as reviews.

use std::collections::BTreeSet;

use aprendiz_annotation_types::{IndexedText, ReviewStatus, parse_time};

use crate::format::annotation::Annotation;
use crate::options::GroundTruth;
use crate::parse::field_values::{FieldValue, FieldValues, SpanCheck, collect};
use crate::parse::parser::Parser;
use crate::parse::scalars::{parse_id, parse_reviewer};
use crate::parsed_task::{ParsedPrediction, ParsedReview};

impl Parser<'_> {
    /// Converts annotations to reviews and leaves out those that do not count.
    pub(super) fn parse_reviews(
        &mut self,
        annotations: Vec<Annotation>,
        predictions: &[ParsedPrediction],
        text: &IndexedText<'_>,
    ) -> Result<Vec<ParsedReview>, String> {
        let is_submitted = |annotation: &Annotation| annotation.was_cancelled != Some(true);
        let is_truth = |annotation: &Annotation| annotation.ground_truth == Some(true);
        let only_truth = self.options.ground_truth == GroundTruth::Prefer
            && annotations.iter().any(|annotation| is_submitted(annotation) && is_truth(annotation));
        let mut reviews: Vec<ParsedReview> = Vec::with_capacity(annotations.len());
        for annotation in annotations {
            if !is_submitted(&annotation) {
                self.findings.ignored.cancelled += 1;
                continue;
            }
            if only_truth && !is_truth(&annotation) {
                self.findings.ignored.not_ground_truth += 1;
                continue;
            }
            let id = parse_id("id of an annotation", annotation.id.as_ref())?.ok_or("an annotation has no id")?;
            let time = annotation.updated_at.as_deref().or(annotation.created_at.as_deref());
            let occurred_at = parse_time(time.ok_or_else(|| format!("annotation {id} has neither updated_at nor created_at"))?)?;
            let source_ref = format!("annotation:{id}");
            if reviews.iter().any(|review| review.source_ref == source_ref) {
                return Err(format!("annotation {id} occurs twice"));
            }
            let items = annotation.result.unwrap_or_default();
            let unknown_controls = &mut self.findings.unknown_controls;
            let mut values = collect(&items, text, SpanCheck::Strict, &mut |control| unknown_controls.count("", control))
                .map_err(|reason| format!("annotation {id}: {reason}"))?;
            self.normalize(&mut values);
            let unresolved = apply_statuses(&mut values, predictions);
            self.findings.ignored.statuses_without_value += unresolved.len() as u64;
            let reviewer = parse_reviewer(annotation.completed_by.as_ref())?;
            reviews.push(ParsedReview { source_ref, occurred_at, reviewer, values, unresolved });
        }
        Ok(reviews)
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
