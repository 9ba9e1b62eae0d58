//! What a task stands for, ready for the rows of `batch`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::import::answers::Answers;
use crate::import::marks::FieldMarks;
use crate::import::said::SaidEvent;
use crate::near_duplicates::Sketch;
use crate::split::Split;

/// Annotations, and predictions, of one task.
pub(super) const MOST_PER_TASK: usize = 1_000;

/// A good task.
#[derive(Debug)]
pub(super) struct ParsedTask {
    pub(super) project: String,
    pub(super) task_id: String,
    pub(super) file_name: Option<String>,
    /// JSON object.
    pub(super) metadata: String,
    pub(super) text: String,
    pub(super) checksum: String,
    pub(super) group_key: String,
    pub(super) split: Split,
    pub(super) sketch: Sketch,
    pub(super) reviews: Vec<Review>,
    pub(super) predictions: Vec<Predicted>,
    /// Of an export of ours.
    pub(super) said: Vec<SaidEvent>,
    /// What its fields are, where it says so.
    pub(super) fields: BTreeMap<String, FieldMarks>,
    /// Whether it comes from a JSON_MIN export, whose further elements may hold more annotations of it.
    pub(super) is_flat: bool,
}

impl ParsedTask {
    /// Whether another element is about the same document, and brings reviews that this one does not have.
    pub(super) fn is_same_document(&self, other: &Self) -> bool {
        (&self.project, &self.task_id, &self.checksum, &self.metadata, &self.file_name)
            == (&other.project, &other.task_id, &other.checksum, &other.metadata, &other.file_name)
            && self.reviews.len() < MOST_PER_TASK
            && !other.reviews.is_empty()
            && other.reviews.iter().all(|review| self.reviews.iter().all(|known| known.source_ref != review.source_ref))
    }
}

/// One annotation that counts.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) source_ref: String,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) reviewer: Option<String>,
    pub(super) answers: Answers,
    /// Fields about which this review leaves open what it accepts.
    pub(super) open: BTreeSet<String>,
}

/// One prediction; scores of its answers are shares or absent.
#[derive(Debug)]
pub(super) struct Predicted {
    pub(super) extractor_version: String,
    pub(super) predicted_at: DateTime<Utc>,
    pub(super) answers: Answers,
}

/// A task to be quarantined.
#[derive(Debug)]
pub(super) struct BadTask {
    pub(super) task_id: Option<String>,
    pub(super) reason: String,
}

/// What was left out of good tasks, counted.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    /// Predictions that were only ids.
    pub(super) prediction_ids: u64,
    /// Scores that are no confidence.
    pub(super) scores: u64,
    /// Verdicts that accept a value that is nowhere.
    pub(super) verdicts: u64,
    /// Skipped annotations.
    pub(super) cancelled: u64,
    /// Unfinished annotations.
    pub(super) drafts: u64,
    /// Annotations that are not ground truth, beside some that are, where that is preferred.
    pub(super) not_ground_truth: u64,
    /// Tasks of a JSON_MIN export without a project.
    pub(super) flat_without_project: u64,
    /// Tasks whose data has a key `task` already, so that unknown keys of the task found no place.
    pub(super) displaced_keys: u64,
}
