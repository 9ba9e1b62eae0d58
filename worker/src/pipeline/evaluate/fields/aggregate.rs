//! Metrics aggregated over all fields.

use aprendiz_evaluation::FieldReport;
use aprendiz_runs::NewMetric;
use serde_json::json;

/// Aggregates field reports: accuracies and coverage are weighted by examples, macro F1 weights all fields equally.
pub(in crate::pipeline::evaluate) fn aggregate_metrics(split: &'static str, reports: &[FieldReport]) -> Vec<NewMetric> {
    let n: u64 = reports.iter().map(|report| report.n).sum();
    let examples: u64 = reports.iter().map(|report| report.examples).sum();
    let weighted_mean = |metric: fn(&FieldReport) -> Option<f64>| {
        let total: f64 = reports.iter().filter_map(|report| metric(report).map(|value| value * report.examples as f64)).sum();
        (examples > 0).then(|| total / examples as f64)
    };
    let coverage = weighted_mean(|report| report.coverage);
    let correct_answers = weighted_mean(|report| Some(report.selective_accuracy.unwrap_or(0.0) * report.coverage.unwrap_or(0.0)));
    let selective = coverage.zip(correct_answers).and_then(|(coverage, correct)| (coverage > 0.0).then(|| correct / coverage));
    let f1: Vec<f64> = reports.iter().filter_map(|report| report.macro_f1).collect();
    let macro_f1 = (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64);
    let metric = |name: &str, value: Option<f64>| NewMetric {
        split,
        field: None,
        name: name.to_owned(),
        value,
        details: value.is_none().then(|| json!({ "undefined": "no examples" })),
    };
    vec![
        metric("n", Some(n as f64)),
        metric("examples", Some(examples as f64)),
        metric("accuracy", weighted_mean(|report| report.accuracy)),
        metric("macro_f1", macro_f1),
        metric("majority_baseline", weighted_mean(|report| report.majority_baseline)),
        metric("coverage", coverage),
        metric("selective_accuracy", selective),
    ]
}

#[cfg(test)]
mod tests {
    use aprendiz_evaluation::{ReportOptions, ScoredExample, report};

    use super::*;

    fn example(gold: &str, predicted: &str, confidence: f64) -> ScoredExample {
        ScoredExample {
            gold: Some(gold.to_owned()),
            predicted: Some(predicted.to_owned()),
            confidence,
            gold_probability: None,
            group: None,
            never_answered: false,
        }
    }

    #[test]
    fn aggregated_metrics_weight_every_example_equally() {
        let threshold = ReportOptions { majority: None, threshold: Some(0.5) };
        let one = report("one", &[example("a", "a", 0.9), example("a", "b", 0.1), example("b", "b", 0.9)], &threshold);
        let two = report("two", &[example("x", "y", 0.9)], &threshold);
        let metrics = aggregate_metrics("test", &[one, two]);
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.value).unwrap();
        assert_eq!(value("n"), 4.0);
        assert!((value("accuracy") - 0.5).abs() < 1e-12);
        assert!((value("coverage") - 0.75).abs() < 1e-12);
        assert!((value("selective_accuracy") - 2.0 / 3.0).abs() < 1e-12);
    }
}
