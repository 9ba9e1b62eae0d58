//! What a run has predicted, as metrics.

use std::collections::BTreeMap;

use aprendiz_annotations::predictions::PredictedField;
use aprendiz_runs::NewMetric;
use aprendiz_text::count;
use serde_json::json;

/// The split under which the metrics are stored: the selected documents, reviewed or not.
const SPLIT: &str = "predicted";

/// Counts over the pages of a selection.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Documents of the pages that are started.
    selected: u64,
    /// Documents that had predictions for their current texts when the page was listed.
    earlier: u64,
    /// Documents of stored batches.
    stored: u64,
    /// Documents of stored batches that were left out.
    left_out: u64,
    fields: BTreeMap<String, Field>,
}

#[derive(Debug, Default)]
struct Field {
    threshold: Option<f64>,
    predicted: u64,
    answered: u64,
    unknown: u64,
}

impl Totals {
    pub(super) fn new(thresholds: &[(String, Option<f64>)]) -> Self {
        let fields = thresholds.iter().map(|(name, threshold)| (name.clone(), Field { threshold: *threshold, ..Field::default() }));
        Self { fields: fields.collect(), ..Self::default() }
    }

    pub(super) fn start_page(&mut self, documents: usize, pending: usize) {
        self.selected += documents as u64;
        self.earlier += (documents - pending) as u64;
    }

    pub(super) fn add_batch(&mut self, documents: usize, left_out: usize) {
        self.stored += documents as u64;
        self.left_out += left_out as u64;
    }

    pub(super) fn end_page(&mut self, counted: &[PredictedField]) {
        for PredictedField { field, predicted, answered, unknown } in counted {
            let totals = self.fields.entry(field.clone()).or_default();
            totals.predicted += predicted.unsigned_abs();
            totals.answered += answered.unsigned_abs();
            totals.unknown += unknown.unsigned_abs();
        }
    }

    /// Documents of the pages that are started.
    pub(super) const fn documents(&self) -> u64 {
        self.selected
    }

    /// Documents that need no more work.
    pub(super) const fn finished(&self) -> u64 {
        self.earlier + self.stored
    }

    pub(super) fn describe(&self) -> String {
        let earlier = if self.earlier == 0 {
            String::new()
        } else {
            format!(", {} had predictions of this version for the same text", count(self.earlier, "document"))
        };
        let left_out = if self.left_out == 0 {
            String::new()
        } else {
            format!(", {} left out: erased, archived or changed meanwhile", count(self.left_out, "document"))
        };
        format!("predicted {}{earlier}{left_out}", count(self.stored - self.left_out, "document"))
    }

    /// Counts of documents, and by field the number of predictions and the share that is answered at the threshold.
    pub(super) fn metrics(&self) -> Vec<NewMetric> {
        let metric = |field: Option<&String>, name: &str, value, details| NewMetric {
            split: SPLIT,
            field: field.cloned(),
            name: name.to_owned(),
            value,
            details,
        };
        let share = |answered: u64, predicted: u64| (predicted > 0).then(|| answered as f64 / predicted as f64);
        let predicted: u64 = self.fields.values().map(|field| field.predicted).sum();
        let answered: u64 = self.fields.values().map(|field| field.answered).sum();
        let details = json!({
            "selected": self.selected, "predicted": self.stored - self.left_out, "predicted_earlier": self.earlier, "left_out": self.left_out,
        });
        let mut metrics = vec![
            metric(None, "documents", Some(self.selected as f64), Some(details)),
            metric(None, "n", Some(predicted as f64), None),
            metric(None, "coverage", share(answered, predicted), Some(json!({ "answered": answered }))),
        ];
        for (name, field) in &self.fields {
            let details = json!({ "answered": field.answered, "no_known_feature": field.unknown, "threshold": field.threshold });
            metrics.push(metric(Some(name), "n", Some(field.predicted as f64), None));
            metrics.push(metric(Some(name), "coverage", share(field.answered, field.predicted), Some(details)));
        }
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_summed_and_shares_are_of_the_predictions() {
        let mut totals = Totals::new(&[("law".to_owned(), Some(0.5)), ("type".to_owned(), None)]);
        let counted = |field: &str, predicted, answered, unknown| PredictedField { field: field.to_owned(), predicted, answered, unknown };
        totals.start_page(4, 3);
        totals.add_batch(3, 1);
        totals.end_page(&[counted("law", 3, 2, 0), counted("type", 3, 0, 1)]);
        totals.start_page(1, 0);
        totals.end_page(&[counted("law", 1, 1, 0)]);
        assert_eq!((totals.documents(), totals.finished()), (5, 5));
        assert!(totals.describe().starts_with("predicted 2 documents, 2 documents had predictions"), "{}", totals.describe());
        let metrics = totals.metrics();
        let value = |field: Option<&str>, name: &str| {
            metrics.iter().find(|metric| metric.field.as_deref() == field && metric.name == name).and_then(|metric| metric.value)
        };
        assert_eq!((value(None, "documents"), value(None, "n")), (Some(5.0), Some(7.0)));
        assert_eq!((value(Some("law"), "n"), value(Some("law"), "coverage")), (Some(4.0), Some(0.75)));
        assert_eq!(value(Some("type"), "coverage"), Some(0.0));
        assert!(Totals::new(&[("law".to_owned(), None)]).metrics().iter().all(|metric| metric.value.is_some() || metric.details.is_some()));
    }
}
