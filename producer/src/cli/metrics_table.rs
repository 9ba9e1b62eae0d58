//! The numbers of a run that people look at first, per field.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cli::output::table;

/// Splits in the order of their worth: what the model never saw says most.
const SPLITS: [&str; 4] = ["test", "reviewed", "validation", "train"];

/// Metric, heading, and whether it is a share.
const COLUMNS: [(&str, &str, bool); 12] = [
    ("n", "n", false),
    ("accuracy", "accuracy", true),
    ("macro_f1", "macro-F1", true),
    ("coverage", "coverage", true),
    ("selective_accuracy", "selective accuracy", true),
    ("prediction_coverage", "prediction coverage", true),
    ("knn_accuracy", "neighbours", true),
    ("base_knn_accuracy", "base's", true),
    ("majority_baseline", "majority baseline", true),
    ("pairs", "pairs", false),
    ("average_precision", "average precision", true),
    ("base_average_precision", "of the base", true),
];

/// A metric as the API gives it.
#[derive(Debug, Deserialize)]
pub(crate) struct Metric {
    attempt_number: i32,
    split: String,
    field: Option<String>,
    name: String,
    value: Option<f64>,
    step: i64,
}

/// The table of the most telling split of the newest attempt; `None` when there are no final numbers.
pub(crate) fn metrics_table(metrics: &[Metric]) -> Option<String> {
    let attempt = metrics.iter().map(|metric| metric.attempt_number).max()?;
    let wanted =
        |metric: &&Metric| metric.attempt_number == attempt && metric.step == 0 && COLUMNS.iter().any(|(name, ..)| *name == metric.name);
    let split = SPLITS.into_iter().find(|split| metrics.iter().filter(wanted).any(|metric| metric.split == *split))?;
    // `None` (all fields) comes first in the order of options; it belongs at the bottom
    let mut fields: BTreeMap<(bool, &str), BTreeMap<&str, Option<f64>>> = BTreeMap::new();
    for metric in metrics.iter().filter(wanted).filter(|metric| metric.split == split) {
        let row = fields.entry((metric.field.is_none(), metric.field.as_deref().unwrap_or("(all fields)"))).or_default();
        row.insert(&metric.name, metric.value);
    }
    let columns: Vec<&(&str, &str, bool)> = COLUMNS.iter().filter(|(name, ..)| fields.values().any(|row| row.contains_key(name))).collect();
    let rows: Vec<Vec<String>> = fields
        .iter()
        .map(|((_, field), row)| {
            let cells = columns.iter().map(|(name, _, is_share)| match row.get(name) {
                None => String::new(),
                Some(None) => "undefined".to_owned(),
                Some(Some(value)) if *is_share => format!("{value:.3}"),
                Some(Some(value)) => format!("{value:.0}"),
            });
            std::iter::once((*field).to_owned()).chain(cells).collect()
        })
        .collect();
    let right: Vec<&str> = columns.iter().map(|(_, heading, _)| *heading).collect();
    let heading: Vec<&str> = std::iter::once("field").chain(right.iter().copied()).collect();
    Some(format!("metrics on {}\n{}", in_words(split), table(&heading, &right, &rows)))
}

fn in_words(split: &str) -> &str {
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
    fn the_test_split_is_shown_with_the_sum_at_the_bottom() {
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
    fn no_numbers_give_no_table() {
        assert!(metrics_table(&[]).is_none());
        assert!(metrics_table(&[metric("test", None, "ece", Some(0.1))]).is_none());
    }
}
