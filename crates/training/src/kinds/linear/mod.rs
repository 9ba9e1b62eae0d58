//! The kind `linear`: one linear head per field on n-gram features.

pub(crate) mod features;
pub(crate) mod field_config;
pub(crate) mod field_task;
pub(crate) mod fit;
pub(crate) mod folds;
pub(crate) mod gram;
pub(crate) mod head;
pub(crate) mod learning_curve;
pub(crate) mod out_of_fold;
pub(crate) mod progress;
pub(crate) mod solved_field;
pub(crate) mod solver;
pub(crate) mod sparse;
pub(crate) mod temperature;
pub(crate) mod train;
pub(crate) mod trainable;
pub(crate) mod validation;
mod whole_fit;
