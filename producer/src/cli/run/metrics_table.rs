//! The main metrics of a run, per field.

use std::collections::BTreeMap;

use aprendiz_evaluation::{TargetRow, WORST_SLICES_METRIC};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::terminal::slice_tables::worst_table;
use crate::cli::terminal::table;
use crate::cli::terminal::target_table::{FieldTargets, Target, target_table};

/// Splits in order of preference: unseen data first.
const SPLITS: [&str; 5] = ["test", "reviewed", "validation", "train", "predicted"];

/// Metric, column header, and whether it is a ratio.
const COLUMNS: [(&str, &str, bool); 12] = [
    ("n", "n", false),
    ("accuracy", "accuracy", true),
    ("macro_f1", "macro-F1", true),
    ("coverage", "coverage", true),
    ("selective_accuracy", "selective accuracy", true),
    ("prediction_coverage", "prediction coverage", true),
    ("knn_accuracy", "kNN accuracy", true),
    ("base_knn_accuracy", "base kNN accuracy", true),
    ("majority_baseline", "majority baseline", true),
    ("pairs", "pairs", false),
    ("average_precision", "average precision", true),
    ("base_average_precision", "base average precision", true),
];

/// A metric in an API response.
#[derive(Debug, Deserialize)]
pub(crate) struct Metric {
    pub(super) attempt_number: i32,
    pub(super) split: String,
    pub(super) field: Option<String>,
    pub(super) name: String,
    pub(super) value: Option<f64>,
    pub(super) step: i64,
    #[serde(default)]
    pub(super) details: Value,
}

/// The metrics of the newest attempt on its preferred split, or `None` if there are no final metrics.
pub(crate) fn metrics_table(metrics: &[Metric]) -> Option<String> {
    let attempt = metrics.iter().map(|metric| metric.attempt_number).max()?;
    let is_shown =
        |metric: &&Metric| metric.attempt_number == attempt && metric.step == 0 && COLUMNS.iter().any(|(name, ..)| *name == metric.name);
    let split = SPLITS.into_iter().find(|split| metrics.iter().filter(is_shown).any(|metric| metric.split == *split))?;
    let targets = field_targets(metrics, attempt);
    let is_unreachable = |fields: &FieldTargets, own: f64| fields.targets.iter().any(|row| row.target == own && row.threshold.is_none());
    let unreachable: Vec<&str> =
        targets.iter().filter(|(fields, own)| is_unreachable(fields, *own)).map(|(fields, _)| fields.field.as_str()).collect();
    // the row of all fields comes last
    let mut fields: BTreeMap<(bool, &str), BTreeMap<&str, Option<f64>>> = BTreeMap::new();
    for metric in metrics.iter().filter(is_shown).filter(|metric| metric.split == split) {
        let row = fields.entry((metric.field.is_none(), metric.field.as_deref().unwrap_or("(all fields)"))).or_default();
        row.insert(&metric.name, metric.value);
    }
    let columns: Vec<&(&str, &str, bool)> = COLUMNS.iter().filter(|(name, ..)| fields.values().any(|row| row.contains_key(name))).collect();
    let rows: Vec<Vec<String>> = fields
        .iter()
        .map(|((_, field), row)| {
            let cells = columns.iter().map(|(name, _, is_ratio)| match row.get(name) {
                None => String::new(),
                // the table of targets below names the reason
                Some(_) if unreachable.contains(field) && matches!(*name, "coverage" | "selective_accuracy") => "unreachable".to_owned(),
                // of no answer there is no accuracy
                Some(None) if *name == "selective_accuracy" && row.get("coverage") == Some(&Some(0.0)) => "–".to_owned(),
                Some(None) => "undefined".to_owned(),
                Some(Some(value)) if *is_ratio => format!("{value:.3}"),
                Some(Some(value)) => format!("{value:.0}"),
            });
            std::iter::once((*field).to_owned()).chain(cells).collect()
        })
        .collect();
    let right: Vec<&str> = columns.iter().map(|(_, header, _)| *header).collect();
    let header: Vec<&str> = std::iter::once("field").chain(right.iter().copied()).collect();
    let mut text = format!("metrics on {}\n{}", describe_split(split), table(&header, &right, &rows));
    if !targets.is_empty() {
        let explained = |field: &str, target: f64| targets.iter().any(|own| own.0.field == field && own.1 == target);
        let fields: Vec<FieldTargets> =
            targets.iter().map(|(field, _)| FieldTargets { field: field.field.clone(), targets: field.targets.clone() }).collect();
        text.push('\n');
        text.push_str(&target_table(&fields, explained));
    }
    if let Some(worst) = worst_slices(metrics) {
        text.push('\n');
        text.push_str(&worst);
    }
    Some(text)
}

/// The worst slices of the newest attempt, if it has any.
pub(super) fn worst_slices(metrics: &[Metric]) -> Option<String> {
    let attempt = metrics.iter().map(|metric| metric.attempt_number).max()?;
    let worst = metrics.iter().find(|metric| metric.attempt_number == attempt && metric.name == WORST_SLICES_METRIC)?;
    worst_table(&worst.details)
}

/// Coverage by target of each field of an attempt, and the target of the run.
fn field_targets(metrics: &[Metric], attempt: i32) -> Vec<(FieldTargets, f64)> {
    #[derive(Deserialize)]
    struct Details {
        target: f64,
        rows: Vec<TargetRow>,
    }
    let rows = metrics.iter().filter(|metric| metric.attempt_number == attempt && metric.name == "coverage_by_target");
    let fields = rows.filter_map(|metric| {
        let Details { target, rows } = Details::deserialize(&metric.details).ok()?;
        let describe = |row: &TargetRow| Target {
            target: row.target,
            threshold: row.threshold.value(),
            coverage: Some(row.coverage),
            lower_bound: None,
            reason: row.obstacle(),
        };
        Some((FieldTargets { field: metric.field.clone()?, targets: rows.iter().map(describe).collect() }, target))
    });
    let mut fields: Vec<(FieldTargets, f64)> = fields.collect();
    fields.sort_by(|a, b| a.0.field.cmp(&b.0.field));
    fields
}

fn describe_split(split: &str) -> &str {
    match split {
        "test" => "the test split",
        "validation" => "the validation split",
        "reviewed" => "all reviewed values",
        "predicted" => "the selected documents",
        _ => "the train split",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(split: &str, field: Option<&str>, name: &str, value: Option<f64>) -> Metric {
        Metric {
            attempt_number: 1,
            split: split.to_owned(),
            field: field.map(str::to_owned),
            name: name.to_owned(),
            value,
            step: 0,
            details: Value::Null,
        }
    }

    #[test]
    fn test_split_is_preferred_and_all_fields_come_last() {
        let metrics = [
            metric("validation", Some("law"), "accuracy", Some(0.1)),
            metric("test", None, "accuracy", Some(0.75)),
            metric("test", Some("law"), "accuracy", Some(0.5)),
            metric("test", Some("law"), "n", Some(12.0)),
            metric("test", Some("type"), "accuracy", None),
        ];
        let text = metrics_table(&metrics).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "metrics on the test split");
        assert!(lines[2].starts_with("law") && lines[2].contains("12") && lines[2].contains("0.500"), "{text}");
        assert!(lines[3].starts_with("type") && lines[3].contains("undefined"), "{text}");
        assert!(lines[4].starts_with("(all fields)") && lines[4].contains("0.750"), "{text}");
    }

    #[test]
    fn an_unreachable_target_is_named_with_its_reason() {
        let rows = serde_json::json!([
            { "target": 0.95, "coverage": 0.0, "status": "target_unreachable", "needed": 59, "n": 40, "obstacles": [], "more_examples": 19 },
            { "target": 0.9, "coverage": 1.0, "status": "reached", "threshold": 0.4, "answered": 40, "correct": 40, "n": 40, "lower_bound": 0.93 },
        ]);
        let mut targets = metric("train", Some("law"), "coverage_by_target", Some(0.0));
        targets.details = serde_json::json!({ "target": 0.95, "rows": rows });
        let metrics = [
            metric("test", Some("law"), "accuracy", Some(0.5)),
            metric("test", Some("law"), "coverage", Some(0.0)),
            metric("test", Some("law"), "selective_accuracy", None),
            targets,
        ];
        let text = metrics_table(&metrics).unwrap();
        assert!(text.contains("unreachable") && !text.contains("undefined"), "{text}");
        assert!(text.contains("law at 0.95: not reached: 40 reviewed examples, 59 without an error would do"), "{text}");
        assert!(text.contains("100.0 %"), "{text}");
    }

    #[test]
    fn the_worst_slices_of_the_newest_attempt_follow_the_table() {
        let slice = serde_json::json!({
            "field": "law", "dimension": "source", "value": "cuad", "n": 40, "accuracy": 0.5, "interval": null, "rest_n": 60, "rest_accuracy": 0.9,
            "p_value": 0.001, "adjusted_p_value": 0.01
        });
        let mut worst = metric("test", None, WORST_SLICES_METRIC, Some(1.0));
        worst.details = serde_json::json!({ "compared": 9, "significant": 1, "slices": [slice] });
        let text = metrics_table(&[metric("test", Some("law"), "accuracy", Some(0.7)), worst]).unwrap();
        assert!(text.contains("\nworst slices: 1 of 9") && text.contains("source:cuad"), "{text}");
        let mut newer = metric("test", Some("law"), "accuracy", Some(0.7));
        newer.attempt_number = 2;
        assert!(worst_slices(&[newer]).is_none());
    }

    #[test]
    fn no_table_without_final_metrics() {
        assert!(metrics_table(&[]).is_none());
        assert!(metrics_table(&[metric("test", None, "ece", Some(0.1))]).is_none());
    }
}
