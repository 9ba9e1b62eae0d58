//! Scores that training writes, and reports of scores.

use std::collections::BTreeMap;
use std::path::Path;

use aprendiz_evaluation::{FieldReport, ReportOptions, ScoredExample, report};
use aprendiz_inference::FieldConfig;
use aprendiz_training::{OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE};
use tokio_util::sync::CancellationToken;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::json_lines::for_each_line;

/// Scores of examples by models that were not trained on them, by field: those out of fold, and those of the validation split. Neither the
/// heads nor their parameters depend on the validation split, and no group of near-duplicates is in two splits.
pub(in crate::pipeline::evaluate) fn unseen_scores(
    reports: &Path,
    cancelled: &CancellationToken,
) -> Result<BTreeMap<String, Vec<ScoredExample>>, Interruption> {
    let mut scores = read_scores(&reports.join(OUT_OF_FOLD_FILE), cancelled, |_| Ok(()))?;
    for (field, validation) in read_scores(&reports.join(VALIDATION_FILE), cancelled, |_| Ok(()))? {
        scores.entry(field).or_default().extend(validation);
    }
    Ok(scores)
}

/// Reads scores written by the training process, by field.
pub(in crate::pipeline::evaluate) fn read_scores(
    path: &Path,
    cancelled: &CancellationToken,
    mut visit: impl FnMut(&ReportRow) -> Result<(), Interruption>,
) -> Result<BTreeMap<String, Vec<ScoredExample>>, Interruption> {
    let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
    for_each_line(path, cancelled, |row: ReportRow| {
        visit(&row)?;
        fields.entry(row.field.clone()).or_default().push(row.into());
        Ok(())
    })?;
    Ok(fields)
}

/// One report per field of the model, including fields without examples.
pub(in crate::pipeline::evaluate) fn field_reports(
    fields: &[FieldConfig],
    mut scored: BTreeMap<String, Vec<ScoredExample>>,
) -> Vec<FieldReport> {
    fields
        .iter()
        .map(|field| {
            let examples = scored.remove(&field.name).unwrap_or_default();
            report(&field.name, &examples, &ReportOptions { majority: field.majority().cloned(), threshold: field.threshold })
        })
        .collect()
}
