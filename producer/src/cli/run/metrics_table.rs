//! The main metrics of a run, per field.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cli::terminal::table;

/// Splits in order of preference: unseen data first.
const SPLITS: [&str; 4] = ["test", "reviewed", "validation", "train"];

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
}

/// The metrics of the newest attempt on its preferred split, or `None` if there are no final metrics.
pub(crate) fn metrics_table(metrics: &[Metric]) -> Option<String> {
    let attempt = metrics.iter().map(|metric| metric.attempt_number).max()?;
    let is_shown =
        |metric: &&Metric| metric.attempt_number == attempt && metric.step == 0 && COLUMNS.iter().any(|(name, ..)| *name == metric.name);
    let split = SPLITS.into_iter().find(|split| metrics.iter().filter(is_shown).any(|metric| metric.split == *split))?;
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
                Some(None) => "undefined".to_owned(),
                Some(Some(value)) if *is_ratio => format!("{value:.3}"),
                Some(Some(value)) => format!("{value:.0}"),
            });
            std::iter::once((*field).to_owned()).chain(cells).collect()
        })
        .collect();
    let right: Vec<&str> = columns.iter().map(|(_, header, _)| *header).collect();
    let header: Vec<&str> = std::iter::once("field").chain(right.iter().copied()).collect();
    Some(format!("metrics on {}\n{}", describe_split(split), table(&header, &right, &rows)))
}

fn describe_split(split: &str) -> &str {
    match split {
        "test" => "the test split",
        "validation" => "the validation split",
        "reviewed" => "all reviewed values",
        _ => "the train split",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(split: &str, field: Option<&str>, name: &str, value: Option<f64>) -> Metric {
        Metric { attempt_number: 1, split: split.to_owned(), field: field.map(str::to_owned), name: name.to_owned(), value, step: 0 }
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
    fn no_table_without_final_metrics() {
        assert!(metrics_table(&[]).is_none());
        assert!(metrics_table(&[metric("test", None, "ece", Some(0.1))]).is_none());
    }
}
