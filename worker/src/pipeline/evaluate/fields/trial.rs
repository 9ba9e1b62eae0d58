//! Metrics by which the trials of a sweep are compared.

use std::collections::BTreeMap;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::fields::scores::read_scores;
use crate::scratch::Scratch;
use aprendiz_db::run_blocking;
use aprendiz_evaluation::{FieldReport, Interval, ReportOptions, ScoredExample, report, wilson_of_proportion};
use aprendiz_runs::NewMetric;
use aprendiz_training::{OUT_OF_FOLD_FILE, VALIDATION_FILE};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::pipeline::evaluate::fields::aggregate::aggregate_metrics;
use crate::pipeline::evaluate::metrics_from_rows;

/// Metrics that are recorded. Tables of classes, which are large, are recorded for the winner only.
const RECORDED: [&str; 6] = ["n", "examples", "accuracy", "macro_f1", "weighted_f1", "log_loss"];
/// The 97.5 % quantile of the standard normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// Metrics of a trial: on the validation split, or by out-of-fold scores of train if validation has no example.
pub(crate) async fn validate(scratch: &Scratch) -> Result<Vec<NewMetric>, Interruption> {
    let reports = scratch.reports();
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    let scoring = run_blocking(move || {
        for (split, file) in [("validation", VALIDATION_FILE), ("train", OUT_OF_FOLD_FILE)] {
            let fields = read_scores(&reports.join(file), &cancelled, |_| Ok(()))?;
            if !fields.is_empty() {
                return Ok(trial_metrics(split, &fields));
            }
        }
        Err(Interruption::permanent(
            "no_validation_scores",
            "neither the validation split nor the folds of train have an example of a trained field, so trials cannot be compared: review more documents",
        ))
    });
    scoring.await
}

/// Metrics over all fields, and per field. Intervals treat the examples of different fields as independent.
fn trial_metrics(split: &'static str, fields: &BTreeMap<String, Vec<ScoredExample>>) -> Vec<NewMetric> {
    let reports: Vec<FieldReport> = fields.iter().map(|(field, examples)| report(field, examples, &ReportOptions::default())).collect();
    let n: u64 = reports.iter().map(|report| report.n).sum();
    let mut metrics = aggregate_metrics(split, &reports);
    metrics.retain(|metric| RECORDED.contains(&metric.name.as_str()));
    if let Some(accuracy) = metrics.iter_mut().find(|metric| metric.name == "accuracy") {
        accuracy.details = accuracy.value.filter(|_| n > 0).map(|value| details(wilson_of_proportion(value, n)));
    }
    let (loss, interval) = mean_loss(fields);
    let details = interval.map(details);
    metrics.push(NewMetric { split, field: None, name: "log_loss".to_owned(), value: loss, details });
    for report in &reports {
        let rows = report.rows().into_iter().filter(|row| RECORDED.contains(&row.name)).collect();
        metrics.extend(metrics_from_rows(split, Some(&report.field), rows));
    }
    metrics
}

fn details(interval: Interval) -> Value {
    json!({ "interval": interval })
}

/// The mean over all examples of the negative logarithm of the probability of the accepted value, clipped as in the metric of one field,
/// and its normal 95 % interval, in which a group of near-duplicates is one observation.
fn mean_loss(fields: &BTreeMap<String, Vec<ScoredExample>>) -> (Option<f64>, Option<Interval>) {
    // in a fixed order, because equal trials must have equal sums
    let mut groups: BTreeMap<(&str, Option<&str>, usize), (f64, f64)> = BTreeMap::new();
    for (field, examples) in fields {
        for (index, example) in examples.iter().enumerate() {
            let Some(probability) = example.gold_probability else { return (None, None) };
            let loss = -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
            let group = example.group.as_deref();
            // an example without a group is a group of its own
            let entry = groups.entry((field, group, if group.is_some() { 0 } else { index })).or_default();
            *entry = (entry.0 + loss, entry.1 + 1.0);
        }
    }
    let examples: f64 = groups.values().map(|(_, count)| count).sum();
    if examples == 0.0 {
        return (None, None);
    }
    let mean = groups.values().map(|(sum, _)| sum).sum::<f64>() / examples;
    let n = groups.len() as f64;
    if n < 2.0 {
        return (Some(mean), None);
    }
    // a mean is a ratio of two sums: its variance follows from the residuals of the groups
    let squares: f64 = groups.values().map(|(sum, count)| (sum - mean * count).powi(2)).sum();
    let half = Z_95 * (squares * n / (n - 1.0)).sqrt() / examples;
    (Some(mean), Some(Interval { low: (mean - half).max(0.0), high: mean + half }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(gold: &str, predicted: &str, probability: f64, group: &str) -> ScoredExample {
        ScoredExample {
            gold: Some(gold.to_owned()),
            predicted: Some(predicted.to_owned()),
            confidence: 0.9,
            gold_probability: Some(probability),
            group: Some(group.to_owned()),
            never_answered: false,
        }
    }

    #[test]
    fn metrics_over_all_fields_have_intervals() {
        let fields = BTreeMap::from([
            ("law".to_owned(), vec![example("a", "a", 0.5, "1"), example("b", "a", 0.25, "2")]),
            ("type".to_owned(), vec![example("x", "x", 0.5, "1"), example("x", "x", 0.5, "1")]),
        ]);
        let metrics = trial_metrics("validation", &fields);
        let find = |field: Option<&str>, name: &str| {
            metrics.iter().find(|metric| metric.field.as_deref() == field && metric.name == name).expect("the metric was recorded")
        };
        assert_eq!((find(None, "n").value, find(None, "accuracy").value), (Some(3.0), Some(0.75)));
        let interval = &find(None, "accuracy").details.as_ref().unwrap()["interval"];
        assert!(interval["low"].as_f64().unwrap() < 0.75 && interval["high"].as_f64().unwrap() > 0.75, "{interval}");
        let expected = -(3.0 * 0.5_f64.ln() + 0.25_f64.ln()) / 4.0;
        assert!((find(None, "log_loss").value.unwrap() - expected).abs() < 1e-12);
        assert!(find(None, "log_loss").details.as_ref().unwrap()["interval"]["high"].as_f64().unwrap() > expected);
        assert_eq!(find(Some("law"), "accuracy").value, Some(0.5));
        assert!(metrics.iter().all(|metric| RECORDED.contains(&metric.name.as_str()) && metric.split == "validation"));
    }

    #[test]
    fn the_interval_of_equal_losses_is_a_point_and_of_one_group_unknown() {
        let fields = |group: &str| BTreeMap::from([("law".to_owned(), vec![example("a", "a", 0.5, "1"), example("a", "a", 0.5, group)])]);
        let (loss, interval) = mean_loss(&fields("2"));
        let interval = interval.unwrap();
        assert!((interval.high - loss.unwrap()).abs() < 1e-12 && (interval.low - loss.unwrap()).abs() < 1e-12);
        assert_eq!(mean_loss(&fields("1")).1, None);
    }
}
