//! Reports of a model, one per field.

use std::collections::BTreeMap;

use aprendiz_evaluation::{FieldReport, ReportOptions, ScoredExample, report};
use aprendiz_inference::Model;

/// One report per field of the model, including fields without examples.
pub(super) fn field_reports(model: &Model, mut scored: BTreeMap<String, Vec<ScoredExample>>) -> Vec<FieldReport> {
    let fields = model.config().fields.iter();
    fields
        .map(|field| {
            let examples = scored.remove(&field.name).unwrap_or_default();
            report(&field.name, &examples, &ReportOptions { majority: field.majority().cloned(), threshold: field.threshold })
        })
        .collect()
}
