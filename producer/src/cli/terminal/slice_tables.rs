//! Tables of metrics by slice.

use anyhow::Context as _;
use aprendiz_evaluation::{FieldSlices, Interval, WorstSlice, WorstSlices};
use serde::Deserialize as _;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::terminal::table;

/// The slices of one field.
pub(crate) fn slice_table(details: &Value) -> Result<String, CliError> {
    let field = FieldSlices::deserialize(details).context("unexpected slices in the API response")?;
    let stored = field.dimensions.iter().flat_map(|dimension| &dimension.slices).any(|slice| slice.prediction_coverage.is_some());
    let mut rows = Vec::new();
    let mut combined = String::new();
    for dimension in &field.dimensions {
        for slice in &dimension.slices {
            let mut row = vec![
                dimension.dimension.clone(),
                slice.value.clone(),
                slice.n.to_string(),
                ratio(slice.accuracy),
                interval(slice.interval),
                ratio(slice.macro_f1),
            ];
            if stored {
                row.push(ratio(slice.prediction_coverage));
            } else {
                row.extend([ratio(slice.coverage), ratio(slice.selective_accuracy)]);
            }
            rows.push(row);
        }
        if dimension.combined > 0 {
            let (name, count, values) = (&dimension.dimension, dimension.combined, dimension.values);
            combined.push_str(&format!("{name}: (other) combines {count} of {values} values, those with the fewest examples\n"));
        }
    }
    let answers: &[&str] = if stored { &["prediction coverage"] } else { &["coverage", "selective accuracy"] };
    let right = [&["n", "accuracy", "95 % interval", "macro-F1"][..], answers].concat();
    let header = [&["dimension", "slice"][..], &right].concat();
    Ok(table(&header, &right, &rows) + &combined)
}

/// The worst slices, if there are any.
pub(crate) fn worst_table(details: &Value) -> Option<String> {
    let worst = WorstSlices::deserialize(details).ok()?;
    if worst.slices.is_empty() {
        return None;
    }
    let row = |slice: &WorstSlice| {
        vec![
            slice.field.clone(),
            format!("{}:{}", slice.dimension, slice.value),
            slice.n.to_string(),
            ratio(Some(slice.accuracy)),
            interval(slice.interval),
            ratio(Some(slice.rest_accuracy)),
        ]
    };
    let rows: Vec<Vec<String>> = worst.slices.iter().map(row).collect();
    let right = ["n", "accuracy", "95 % interval", "accuracy of the rest"];
    let header = [&["field", "slice"][..], &right].concat();
    let (compared, significant) = (worst.compared, worst.significant);
    Some(format!(
        "worst slices: {significant} of {compared} are significantly less accurate than the rest\n{}",
        table(&header, &right, &rows)
    ))
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(|| "–".to_owned(), |interval| format!("{:.3}–{:.3}", interval.low, interval.high))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_the_slices_of_every_dimension_and_names_what_is_combined() {
        let slice = |value: &str, n: u64| {
            json!({ "value": value, "n": n, "examples": n, "correct": n, "accuracy": 1.0, "interval": { "low": 0.7, "high": 1.0 },
                    "macro_f1": 0.25, "coverage": 0.5, "selective_accuracy": null })
        };
        let details = json!({ "dimensions": [
            { "dimension": "source", "values": 1, "combined": 0, "slices": [slice("label-studio", 12)] },
            { "dimension": "metadata.customer", "values": 25, "combined": 5, "slices": [slice("ACME", 3), slice("(other)", 9)] },
        ] });
        let text = slice_table(&details).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("selective accuracy") && lines[1].contains("label-studio") && lines[1].contains("0.700–1.000"), "{text}");
        assert!(lines[2].contains("ACME") && lines[4].starts_with("metadata.customer: (other) combines 5 of 25 values"), "{text}");
        assert!(slice_table(&json!({ "dimensions": 1 })).is_err());
    }

    #[test]
    fn stored_predictions_have_another_coverage() {
        let slice = json!({ "value": "x", "n": 1, "examples": 1, "correct": 0, "accuracy": 0.0, "interval": null, "macro_f1": null,
                            "coverage": null, "selective_accuracy": null, "prediction_coverage": 0.75 });
        let details = json!({ "dimensions": [{ "dimension": "source", "values": 1, "combined": 0, "slices": [slice] }] });
        let text = slice_table(&details).unwrap();
        assert!(text.contains("prediction coverage") && text.contains("0.750") && !text.contains("selective"), "{text}");
    }

    #[test]
    fn the_worst_slices_are_shown_if_there_are_any() {
        let slice = json!({ "field": "law", "dimension": "source", "value": "cuad", "n": 40, "accuracy": 0.5, "interval": null, "rest_n": 60,
                            "rest_accuracy": 0.9, "p_value": 0.001, "adjusted_p_value": 0.01 });
        let worst = |slices: Value| json!({ "compared": 9, "significant": 1, "slices": slices });
        let shown = worst_table(&worst(json!([slice]))).unwrap();
        assert!(shown.starts_with("worst slices: 1 of 9") && shown.contains("source:cuad") && shown.contains("0.900"), "{shown}");
        assert!(worst_table(&worst(json!([]))).is_none() && worst_table(&json!({})).is_none());
    }
}
