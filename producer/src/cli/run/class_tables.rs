//! Tables of the metrics per class, and of confusions.

use aprendiz_annotation_types::display_optional_label;
use serde_json::Value;

use crate::cli::terminal::table;

/// Maximum length of a label, in characters: long labels are shortened in the middle, because their ends distinguish them.
const MAX_LABEL_CHARS: usize = 36;
/// Width that a matrix may have; a larger one is listed by pairs.
const MAX_MATRIX_WIDTH: usize = 100;
/// Maximum number of listed pairs.
const MAX_PAIRS: usize = 50;

/// Precision, recall, F1 and support of every class, most frequent first.
pub(super) fn class_table(details: &Value) -> String {
    let mut classes: Vec<&Value> = details["classes"].as_array().into_iter().flatten().collect();
    if classes.is_empty() {
        return undefined(details);
    }
    classes.sort_by_key(|class| std::cmp::Reverse(class["support"].as_u64()));
    let rows: Vec<Vec<String>> = classes
        .into_iter()
        .map(|class| {
            let ratio = |key: &str| class[key].as_f64().map_or("-".to_owned(), |value| format!("{value:.3}"));
            vec![label(&class["label"]), class["support"].to_string(), ratio("precision"), ratio("recall"), ratio("f1")]
        })
        .collect();
    table(&["class", "support", "precision", "recall", "F1"], &["support", "precision", "recall", "F1"], &rows)
}

/// The confusion matrix, with the accepted classes as rows, if it is narrow enough; then the confused pairs, most frequent first.
pub(super) fn confusion_table(details: &Value) -> String {
    let confusion = &details["confusion"];
    let Some(labels) = confusion["labels"].as_array() else { return undefined(details) };
    let labels: Vec<String> = labels.iter().map(label).collect();
    let counts: Vec<Vec<u64>> = serde_json::from_value(confusion["counts"].clone()).unwrap_or_default();
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for (gold, row) in counts.iter().enumerate() {
        pairs.extend(
            row.iter().enumerate().filter(|(predicted, count)| **count > 0 && *predicted != gold).map(|(p, count)| (*count, gold, p)),
        );
    }
    pairs.sort_by_key(|(count, gold, predicted)| (std::cmp::Reverse(*count), *gold, *predicted));
    let mut text = matrix(&labels, &counts).unwrap_or_default();
    if pairs.is_empty() {
        text.push_str("no class was confused with another\n");
        return text;
    }
    let listed: Vec<Vec<String>> = pairs
        .iter()
        .take(MAX_PAIRS)
        .map(|(count, gold, predicted)| {
            let support: u64 = counts[*gold].iter().sum();
            let share = format!("{:.0} %", *count as f64 * 100.0 / support.max(1) as f64);
            vec![labels[*gold].clone(), labels[*predicted].clone(), count.to_string(), share]
        })
        .collect();
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&table(&["accepted", "predicted", "examples", "of accepted"], &["examples", "of accepted"], &listed));
    if pairs.len() > MAX_PAIRS {
        text.push_str(&format!("and {} more pairs; -o json shows all\n", pairs.len() - MAX_PAIRS));
    }
    text
}

/// The matrix with numbered columns; `None` if it is too wide to be read.
fn matrix(labels: &[String], counts: &[Vec<u64>]) -> Option<String> {
    let numbers: Vec<String> = (1..=labels.len()).map(|number| number.to_string()).collect();
    let cell = counts.iter().flatten().max().map_or(1, |count| count.to_string().len()).max(numbers.last()?.len());
    let label = labels.iter().map(|label| label.chars().count()).max()?;
    if label + 2 * (cell + 2) + labels.len() * (cell + 2) > MAX_MATRIX_WIDTH {
        return None;
    }
    let mut header = vec!["#", "accepted \\ predicted"];
    header.extend(numbers.iter().map(String::as_str));
    let right: Vec<&str> = header.iter().enumerate().filter(|(index, _)| *index != 1).map(|(_, name)| *name).collect();
    let rows: Vec<Vec<String>> = labels
        .iter()
        .zip(&numbers)
        .zip(counts)
        .map(|((label, number), counts)| {
            let cells = counts.iter().map(|count| if *count == 0 { "·".to_owned() } else { count.to_string() });
            [number.clone(), label.clone()].into_iter().chain(cells).collect()
        })
        .collect();
    Some(table(&header, &right, &rows))
}

fn label(value: &Value) -> String {
    let label = display_optional_label(value.as_str());
    let length = label.chars().count();
    if length <= MAX_LABEL_CHARS {
        return label.into_owned();
    }
    let half = (MAX_LABEL_CHARS - 1) / 2;
    let start: String = label.chars().take(MAX_LABEL_CHARS - 1 - half).collect();
    let end: String = label.chars().skip(length - half).collect();
    format!("{start}…{end}")
}

fn undefined(details: &Value) -> String {
    format!("not available: {}\n", details["undefined"].as_str().unwrap_or("no examples"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes_are_listed_by_support() {
        let details = json!({ "classes": [
            { "label": "Texas", "precision": 1.0, "recall": 0.5, "f1": 0.667, "support": 2 },
            { "label": null, "precision": 0.25, "recall": 1.0, "f1": 0.4, "support": 9 },
        ] });
        let text = class_table(&details);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("∅") && lines[1].contains("0.250") && lines[2].starts_with("Texas"), "{text}");
        assert!(class_table(&json!({ "undefined": "no examples" })).contains("not available: no examples"));
    }

    #[test]
    fn a_matrix_numbers_its_columns_and_pairs_are_listed_by_frequency() {
        let details = json!({ "confusion": { "labels": ["Delaware", "Texas", null], "counts": [[5, 1, 0], [3, 4, 0], [0, 0, 2]] } });
        let text = confusion_table(&details);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("Delaware") && lines[1].contains('5') && lines[1].ends_with('·'), "{text}");
        assert!(lines[5].starts_with("accepted") && lines[6].starts_with("Texas") && lines[6].contains("43 %"), "{text}");
    }

    #[test]
    fn many_or_long_labels_are_listed_by_pairs_only() {
        let long = format!("{}end", "x".repeat(100));
        let labels: Vec<String> = (0..40).map(|number| format!("{number} {long}")).collect();
        let counts: Vec<Vec<u64>> = (0..40).map(|row| (0..40).map(|column| u64::from(row != column)).collect()).collect();
        let text = confusion_table(&json!({ "confusion": { "labels": labels, "counts": counts } }));
        assert!(
            text.starts_with("accepted") && text.contains("and 1510 more pairs") && text.contains("…") && text.contains("end"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= MAX_MATRIX_WIDTH), "{text}");
    }
}
