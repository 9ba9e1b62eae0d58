//! A task in typed form.

use std::collections::{BTreeMap, BTreeSet};

use aprendiz_annotation_types::{FieldType, review_order};
use chrono::{DateTime, Utc};

use crate::parse::field_value::FieldValues;
use crate::parse::review_events::ReviewEvent;
use crate::source::SOURCE;

/// Maximum number of annotations, and of predictions, of one task.
pub(crate) const MAX_PER_TASK: usize = 1_000;

/// A valid task.
#[derive(Debug)]
pub struct ParsedTask {
    /// Project of the task.
    pub project: String,
    /// Id within the project.
    pub task_id: String,
    /// Original file name.
    pub file_name: Option<String>,
    /// Other keys of the task, a JSON object.
    pub metadata: String,
    /// Text of the document.
    pub text: String,
    /// Annotations of the labelling tool: each reviews every field of its project.
    pub reviews: Vec<ParsedReview>,
    /// Predictions in the order of their times, each with a distinct time.
    pub predictions: Vec<ParsedPrediction>,
    /// Explicit per-field reviews of an Aprendiz export.
    pub review_events: Vec<ReviewEvent>,
    /// Field definitions of an Aprendiz export.
    pub fields: BTreeMap<String, FieldType>,
    /// Whether it comes from a JSON_MIN file, where further annotations of a task are elements of their own.
    pub(crate) is_json_min: bool,
}

impl ParsedTask {
    /// Whether another JSON_MIN element describes the same document and adds reviews that this one does not have.
    pub(crate) fn is_continued_by(&self, other: &Self) -> bool {
        (&self.project, &self.task_id, &self.metadata, &self.file_name)
            == (&other.project, &other.task_id, &other.metadata, &other.file_name)
            && self.text == other.text
            && self.reviews.len() < MAX_PER_TASK
            && !other.reviews.is_empty()
            && other.reviews.iter().all(|review| self.reviews.iter().all(|known| known.source_ref != review.source_ref))
    }
}

/// One annotation that counts.
#[derive(Debug)]
pub struct ParsedReview {
    /// `annotation:ID`.
    pub source_ref: String,
    /// When it was last updated.
    pub occurred_at: DateTime<Utc>,
    /// Id or e-mail address of the user.
    pub reviewer: Option<String>,
    /// Values by field.
    pub values: FieldValues,
    /// Fields whose status accepts a value that is nowhere to be found; they count as unreviewed.
    pub unresolved: BTreeSet<String>,
}

impl ParsedReview {
    /// The order of the reviews of a task, the latest last: by time, and of equal times by id as a number.
    #[must_use]
    pub fn order(&self) -> (DateTime<Utc>, usize, &str, &str) {
        review_order(self.occurred_at, &self.source_ref, SOURCE)
    }
}

/// One prediction. The score of a value is between 0 and 1, or absent.
#[derive(Debug)]
pub struct ParsedPrediction {
    /// Version of the extractor.
    pub extractor_version: String,
    /// When it was made.
    pub predicted_at: DateTime<Utc>,
    /// Values by field.
    pub values: FieldValues,
}
