//! What the training of a kind that predicts fields gives, before it is published.

use crate::{
    kinds::linear::field_task::FieldTask,
    protocol::{report::ReportRow, summary::TrainingSummary},
};

/// A trained model with the scores that it was calibrated by.
pub(crate) struct TrainedFields {
    pub(crate) summary: TrainingSummary,
    /// Sorted by name.
    pub(crate) fields: Vec<FieldScores>,
}

/// The out-of-fold scores of a field.
pub(crate) struct FieldScores {
    pub(crate) task: FieldTask,
    pub(crate) l2: f64,
    pub(crate) folds: usize,
    pub(crate) fold_repeats: usize,
    /// One for each example of the task, in its order; none if there are too few groups for folds.
    pub(crate) rows: Vec<ReportRow>,
    /// `[rows, C]`: the calibrated probabilities of the rows.
    pub(crate) probabilities: Vec<f32>,
}
