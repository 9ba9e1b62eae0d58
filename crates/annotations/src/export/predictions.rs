//! Predictions grouped to what Label Studio calls one: what a version of the extractor said about a document at one time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::export::annotation::ExportedPrediction;
use crate::export::document::ExportedDocument;

/// One prediction about a document.
#[derive(Debug)]
pub(super) struct Prediction<'d> {
    pub(super) predicted_at: DateTime<Utc>,
    pub(super) extractor_version: &'d str,
    /// By field.
    pub(super) values: Vec<(&'d str, &'d ExportedPrediction)>,
}

impl Prediction<'_> {
    /// The mean over the fields. `None` when one of them has none, which would inherit it.
    pub(super) fn score(&self) -> Option<f64> {
        let confidences: Option<Vec<f64>> = self.values.iter().map(|(_, value)| value.confidence).collect();
        let confidences = confidences?;
        #[expect(clippy::cast_precision_loss, reason = "a document has fewer than 2^52 fields")]
        let count = confidences.len() as f64;
        Some(confidences.iter().sum::<f64>() / count)
    }
}

/// A field with what was predicted for it.
type Predicted<'d> = (&'d str, &'d ExportedPrediction);

/// The predictions about a document, the newest last.
pub(super) fn predictions_of(document: &ExportedDocument) -> Vec<Prediction<'_>> {
    let mut groups: BTreeMap<(DateTime<Utc>, &str), Vec<Predicted<'_>>> = BTreeMap::new();
    for (field, said) in &document.fields {
        for prediction in &said.predictions {
            groups.entry((prediction.predicted_at, &prediction.extractor_version)).or_default().push((field, prediction));
        }
    }
    let predictions = groups.into_iter();
    predictions.map(|((predicted_at, extractor_version), values)| Prediction { predicted_at, extractor_version, values }).collect()
}
