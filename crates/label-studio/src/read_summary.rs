//! What was found in a file besides its good tasks.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{QuarantinedTask, ReasonGroup};

use crate::parse::field_name_findings::UnusableName;

/// Counts and rejected tasks of a file.
#[derive(Debug, Default)]
pub struct ReadSummary {
    /// Tasks in the file, good and quarantined.
    pub tasks: u64,
    /// JSON_MIN elements that are further annotations of the task before them. They count as tasks of the file, and are part of that task.
    pub json_min_continued: u64,
    /// Quarantined tasks.
    pub quarantined: u64,
    /// The first quarantined tasks, up to the limit of the options.
    pub quarantined_tasks: Vec<QuarantinedTask>,
    /// Parts of good tasks that were left out.
    pub ignored: IgnoredCounts,
    /// Result items of unknown control types, by type.
    pub unknown_controls: BTreeMap<String, u64>,
    /// Unknown keys of annotations, predictions and results, by path and name.
    pub unknown_keys: BTreeMap<String, u64>,
    /// Parts of valid tasks that were left out or read in a special way, by reason.
    pub notes: Vec<ReasonGroup>,
    /// Field by the name of a label or control that is not the name of a field itself.
    pub renamed_fields: BTreeMap<String, String>,
    /// Names of labels and controls that cannot name a field; their results were left out.
    pub unusable_names: BTreeMap<String, UnusableName>,
}

/// Counts of what was left out of good tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IgnoredCounts {
    /// Predictions given only by their id.
    pub prediction_ids: u64,
    /// Scores outside of 0 to 1.
    pub scores: u64,
    /// Values with a review status that accepts a value, although neither the annotation nor a prediction has one.
    pub statuses_without_value: u64,
    /// Skipped annotations.
    pub cancelled: u64,
    /// Drafts.
    pub drafts: u64,
    /// Annotations without the ground-truth flag in tasks where others have it.
    pub not_ground_truth: u64,
    /// JSON_MIN tasks without a project.
    pub json_min_without_project: u64,
    /// Tasks with neither annotations nor predictions, not even empty ones.
    pub without_results: u64,
    /// Tasks whose unknown keys were dropped because `data` already has a key `task`.
    pub displaced_keys: u64,
}
