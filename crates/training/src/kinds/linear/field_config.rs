//! The configuration of a trained field, before its threshold is chosen.

use aprendiz_inference::{FieldConfig, ThresholdStatus};

use crate::kinds::linear::field_task::FieldTask;

/// The configuration of a field that was trained under the penalty `l2`.
pub(crate) fn field_config(task: &FieldTask, l2: f64) -> FieldConfig {
    FieldConfig {
        name: task.name.clone(),
        labels: task.labels.clone(),
        train_counts: task.train_counts.clone(),
        unlearnable: task.unlearnable.clone(),
        l2,
        threshold: None,
        threshold_status: ThresholdStatus::NotCalibrated,
    }
}
