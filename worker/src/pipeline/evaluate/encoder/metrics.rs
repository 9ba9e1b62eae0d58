//! Converts encoder reports to metrics of a run.

use aprendiz_runs::NewMetric;
use aprendiz_training::{EncoderReport, EncoderSummary, PairMetrics};
use serde_json::json;

/// Metrics of the test split, and of the validation split if training reported them.
pub(super) fn encoder_metrics(report: &EncoderReport, validation: Option<&EncoderSummary>) -> Vec<NewMetric> {
    let mut metrics = vec![count("test", None, "pairs", report.pairs), count("test", None, "pair_copies", report.copies)];
    metrics.extend(pair_metrics("test", None, report.base, report.trained));
    for field in &report.fields {
        let name = Some(field.field.as_str());
        metrics.push(count("test", name, "pairs", field.pairs));
        metrics.push(count("test", name, "pair_copies", field.copies));
        metrics.extend(pair_metrics("test", name, field.base, field.trained));
        if let Some(accuracy) = field.neighbours {
            metrics.push(count("test", name, "n", accuracy.groups));
            metrics.push(count("test", name, "examples", accuracy.queries));
            metrics.push(metric("test", name, "knn_accuracy", Some(accuracy.trained)));
            metrics.push(metric("test", name, "base_knn_accuracy", Some(accuracy.base)));
            metrics.push(metric("test", name, "majority_baseline", Some(accuracy.majority)));
        }
    }
    metrics.extend(validation.map(validation_metrics).unwrap_or_default());
    metrics
}

/// Metrics of the validation split.
pub(super) fn validation_metrics(summary: &EncoderSummary) -> Vec<NewMetric> {
    let mut metrics = vec![
        count("validation", None, "pairs", summary.validation_pairs),
        count("validation", None, "pair_copies", summary.validation_copies),
    ];
    metrics.extend(pair_metrics("validation", None, summary.base, summary.trained));
    metrics
}

fn pair_metrics(split: &'static str, field: Option<&str>, base: Option<PairMetrics>, trained: Option<PairMetrics>) -> [NewMetric; 4] {
    [
        metric(split, field, "average_precision", trained.map(|metrics| metrics.average_precision)),
        metric(split, field, "base_average_precision", base.map(|metrics| metrics.average_precision)),
        metric(split, field, "spearman", trained.map(|metrics| metrics.spearman)),
        metric(split, field, "base_spearman", base.map(|metrics| metrics.spearman)),
    ]
}

fn count(split: &'static str, field: Option<&str>, name: &str, count: u64) -> NewMetric {
    metric(split, field, name, Some(count as f64))
}

fn metric(split: &'static str, field: Option<&str>, name: &str, value: Option<f64>) -> NewMetric {
    NewMetric {
        split,
        field: field.map(ToOwned::to_owned),
        name: name.to_owned(),
        value,
        details: value.is_none().then(|| json!({ "undefined": "there are no positive or no negative pairs" })),
    }
}
