//! Groups predictions of fields into predictions of a document: one per version of the extractor and time.

use std::collections::BTreeMap;

use aprendiz_label_studio::write::{PredictedValue, Prediction};
use chrono::{DateTime, Utc};

use crate::export::types::ExportedDocument;

/// Returns the predictions about a document, latest last.
pub(super) fn group_predictions(document: &ExportedDocument) -> Vec<Prediction<'_>> {
    let mut groups: BTreeMap<(DateTime<Utc>, &str), Vec<PredictedValue<'_>>> = BTreeMap::new();
    for (name, field) in &document.fields {
        for prediction in &field.predictions {
            let predicted = PredictedValue { field: name, value: &prediction.value, confidence: prediction.confidence };
            groups.entry((prediction.predicted_at, &prediction.extractor_version)).or_default().push(predicted);
        }
    }
    let predictions = groups.into_iter();
    predictions.map(|((predicted_at, extractor_version), values)| Prediction { extractor_version, predicted_at, values }).collect()
}
