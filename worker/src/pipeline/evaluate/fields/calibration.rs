//! Chooses thresholds from the scores of unseen examples, and scores validation with them.

use std::collections::BTreeMap;
use std::path::Path;

use aprendiz_evaluation::{FieldReport, ScoreCurve, TargetRow};
use aprendiz_inference::{FieldConfig, ScoreCurves, ThresholdDecision};
use aprendiz_runs::ErrorCollector;
use aprendiz_training::VALIDATION_FILE;
use tokio_util::sync::CancellationToken;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::fields::errors::validation_error;
use crate::pipeline::evaluate::fields::scores::{field_reports, read_scores, unseen_scores};
use crate::pipeline::evaluate::fields::target_tables::TargetTables;

/// A model with thresholds.
pub(in crate::pipeline::evaluate) struct Calibrated {
    /// Its fields, with their thresholds.
    pub(in crate::pipeline::evaluate) fields: Vec<FieldConfig>,
    pub(in crate::pipeline::evaluate) tables: TargetTables,
    /// One report per field about the validation split.
    pub(in crate::pipeline::evaluate) validation: Vec<FieldReport>,
    pub(in crate::pipeline::evaluate) errors: ErrorCollector,
}

/// Chooses the thresholds of the fields, and writes the scores that they were chosen from into the model directory. `set` writes the
/// thresholds and returns the fields with them.
pub(in crate::pipeline::evaluate) fn calibrate(
    model_dir: &Path,
    reports: &Path,
    target: f64,
    fields: &[FieldConfig],
    cancelled: &CancellationToken,
    set: impl FnOnce(&BTreeMap<String, ThresholdDecision>) -> Result<Vec<FieldConfig>, Interruption>,
) -> Result<Calibrated, Interruption> {
    let mut unseen = unseen_scores(reports, cancelled)?;
    let curves: BTreeMap<String, ScoreCurve> = fields
        .iter()
        .map(|field| {
            let curve = ScoreCurve::new(&unseen.remove(&field.name).unwrap_or_default());
            (field.name.clone(), curve)
        })
        .collect();
    let decide = |curve: &ScoreCurve| match TargetRow::new(curve, target).threshold.value() {
        Some(threshold) => ThresholdDecision::Answer(threshold),
        None => ThresholdDecision::Unreachable,
    };
    let fields = set(&curves.iter().map(|(field, curve)| (field.clone(), decide(curve))).collect())?;
    let tables = TargetTables::new(&curves, target);
    ScoreCurves::new(curves).write(model_dir)?;
    let mut errors = ErrorCollector::default();
    let validation = read_scores(&reports.join(VALIDATION_FILE), cancelled, |row| {
        if let Some(error) = validation_error(&fields, row)? {
            errors.push(error);
        }
        Ok(())
    })?;
    let validation = field_reports(&fields, validation);
    Ok(Calibrated { fields, tables, validation, errors })
}
