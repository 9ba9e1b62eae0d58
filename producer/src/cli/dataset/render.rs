//! Renders comparisons, verifications and reports of snapshots.

use aprendiz_text::{choose, count};
use std::fmt::Write as _;

use aprendiz_annotation_types::{display_optional_label, display_values};
use serde_json::Value;

use crate::cli::terminal::{format_time_value, items, table};

/// A JSON value as text: null as a dash; lists are values of a field.
pub(crate) fn format_value(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => display_values(values.iter().filter_map(Value::as_str)),
        other => other.to_string(),
    }
}

/// The name of a document as users know it, such as `label-studio/2/5`; servers of older versions send the id only.
pub(crate) fn document_name(value: &Value) -> String {
    value["document"].as_str().map_or_else(|| format_value(&value["document_id"]), str::to_owned)
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

/// A label; null means no value.
fn label(value: &Value) -> String {
    display_optional_label(value.as_str()).into_owned()
}

pub(crate) fn diff(found: &Value) -> String {
    let summary = &found["summary"];
    let mut text = String::new();
    if summary["same_content"] == true {
        text.push_str("The snapshots have the same content.\n");
    }
    for (key, name) in [("fields_removed", "only in the first"), ("fields_added", "only in the second")] {
        let fields = items(&summary[key]).map(format_value).collect::<Vec<_>>();
        if !fields.is_empty() {
            let _ = writeln!(text, "Fields {name}: {}", fields.join(", "));
        }
    }
    let _ = writeln!(text, "{} in both snapshots.", count_are(&summary["in_both"], "document"));
    if summary["moved_split"] != 0 {
        let _ = writeln!(text, "{} changed their split: this is a bug, please report it.", counted(&summary["moved_split"], "document"));
    }
    let counts: Vec<Vec<String>> = items(&summary["counts"])
        .map(|count| vec![format_value(&count["kind"]), format_value(&count["field"]), count["changes"].to_string()])
        .collect();
    if !counts.is_empty() {
        let _ = write!(text, "\n{}", table(&["change", "field", "count"], &["count"], &counts));
    }
    let drift: Vec<Vec<String>> = items(&summary["drift"]["fields"])
        .map(|field| {
            let [tv, psi, js] =
                ["total_variation", "population_stability_index", "jensen_shannon_distance"].map(|key| number(&field[key], 4));
            let [new, removed] = ["new_labels", "vanished_labels"].map(|key| items(&field[key]).map(label).collect::<Vec<_>>().join(", "));
            vec![format_value(&field["field"]), tv, psi, js, new, removed]
        })
        .collect();
    if !drift.is_empty() {
        let header = ["field", "variation", "PSI", "Jensen-Shannon", "new labels", "removed labels"];
        let _ = write!(text, "\n{}", table(&header, &["variation", "PSI", "Jensen-Shannon"], &drift));
    }
    let changes: Vec<Vec<String>> = items(&found["changes"])
        .map(|change| {
            let mut row = vec![document_name(change)];
            row.extend(["kind", "field", "old", "new"].map(|key| format_value(&change[key])));
            row
        })
        .collect();
    if !changes.is_empty() {
        let _ = write!(text, "\n{}", table(&["document", "change", "field", "from", "to"], &[], &changes));
    }
    if found["more"] == true {
        text.push_str("More changes exist: raise --limit to list them.\n");
    }
    text
}

/// Reverted imports that a snapshot still contains, one per line.
fn withdrawn_imports(found: &Value) -> String {
    items(&found["withdrawn_imports"])
        .map(|import| {
            let [id, actor] = ["import_id", "actor"].map(|key| format_value(&import[key]));
            let at = format_time_value(&import["reverted_at"]);
            let reason = import["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!(
                "note: import {id} was reverted by {actor} at {at}{reason}; {} of this snapshot {} from it\n",
                counted(&import["documents"], "document"),
                choose(import["documents"].as_u64().unwrap_or_default(), "is", "are"),
            )
        })
        .collect()
}

pub(crate) fn verification(found: &Value) -> String {
    let mut text = match found["verdict"].as_str().unwrap_or_default() {
        "same" => "same: rebuilding from the events gives the recorded rows\n".to_owned(),
        "different" => "different: rebuilding from the events gives other rows than recorded\n".to_owned(),
        "erased" => "erased: a document in it was erased, so it cannot be rebuilt\n".to_owned(),
        "other_builder_version" => {
            format!(
                "other_builder_version: built by version {} of the builder, which differs from the current one\n",
                found["builder_version"]
            )
        }
        other => format!("{other}\n"),
    };
    for difference in items(&found["differences"]) {
        let [what, recorded, rebuilt] = ["what", "recorded", "rebuilt"].map(|key| format_value(&difference[key]));
        let _ = writeln!(text, "  {what}: recorded {recorded}, rebuilt {rebuilt}");
    }
    for erased in items(&found["erased"]) {
        let [actor, reason] = ["actor", "reason"].map(|key| format_value(&erased[key]));
        let at = format_time_value(&erased["erased_at"]);
        let document = document_name(erased);
        let _ = writeln!(text, "  document {document}: by {actor} at {at}: {reason}");
        for proof in items(&erased["proof"]) {
            let _ = writeln!(text, "    text {}: sha256 {}", proof["version"], format_value(&proof["sha256"]));
        }
    }
    text.push_str(&withdrawn_imports(found));
    for file in items(&found["files"]) {
        let _ = writeln!(text, "  {}: {}", format_value(&file["path"]), format_value(&file["state"]));
    }
    text
}

/// A number of the API with its noun.
fn counted(number: &Value, noun: &str) -> String {
    count(number.as_u64().unwrap_or_default(), noun)
}

fn count_are(number: &Value, noun: &str) -> String {
    format!("{} {}", counted(number, noun), choose(number.as_u64().unwrap_or_default(), "is", "are"))
}

pub(crate) fn report(found: &Value) -> String {
    const MAX_LABELS: usize = 10;
    let mut text: String = items(&found["warnings"]).map(|warning| format!("warning: {}\n", format_value(warning))).collect();
    let copies = found["copies"].as_i64().filter(|copies| *copies > 0);
    let copies = copies.map(|copies| format!(", {copies} of them copies (near-duplicates count once)")).unwrap_or_default();
    let _ = writeln!(
        text,
        "{}{copies}; labels with fewer than {} are excluded from training",
        counted(&found["examples"], "example"),
        counted(&found["min_support"], "example")
    );
    text.push_str(&withdrawn_imports(found));
    for (field, counts) in found["fields"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "\n{field}: {} reviewed, {}", counts["reviewed"], counted(&counts["rare_labels"], "rare label"));
        let rows: Vec<Vec<String>> = items(&counts["labels"])
            .take(MAX_LABELS)
            .map(|row| {
                let rare = if row["rare"] == true { "rare" } else { "" };
                vec![
                    label(&row["label"]),
                    row["train"].to_string(),
                    row["validation"].to_string(),
                    row["test"].to_string(),
                    rare.to_owned(),
                ]
            })
            .collect();
        let total = counts["labels"].as_array().map_or(0, Vec::len);
        if !rows.is_empty() {
            text.push_str(&table(&["label", "train", "validation", "test", ""], &["train", "validation", "test"], &rows));
        }
        if total > MAX_LABELS {
            let _ = writeln!(text, "and {}", count((total - MAX_LABELS) as u64, "more label"));
        }
        for group in items(&counts["similar_labels"]) {
            let labels = items(group).map(label).collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "warning: labels that look alike are counted separately: {labels}");
        }
    }
    let excluded: Vec<Vec<String>> =
        items(&found["left_out"]).map(|item| vec![format_value(&item["field"]), format_value(&item["reason"])]).collect();
    if !excluded.is_empty() {
        let _ = write!(text, "\n{}", table(&["excluded", "reason"], &[], &excluded));
    }
    let _ = writeln!(text, "\n{}: identical texts with different accepted values", counted(&found["conflicts_total"], "conflict"));
    let conflicts: Vec<Vec<String>> = items(&found["conflicts"])
        .flat_map(|conflict| {
            items(&conflict["values"]).map(|value| {
                let names = if value["example_names"].is_array() { &value["example_names"] } else { &value["examples"] };
                let examples = items(names).map(format_value).collect::<Vec<_>>().join(" ");
                vec![format_value(&conflict["field"]), format_value(&value["value"]), value["documents"].to_string(), examples]
            })
        })
        .collect();
    if !conflicts.is_empty() {
        text.push_str(&table(&["field", "value", "documents", "examples"], &["documents"], &conflicts));
    }
    let agreement: Vec<Vec<String>> = items(&found["agreement"]["fields"])
        .map(|field| {
            let [documents, reviewers, pairs] = ["documents", "reviewers", "pairs"].map(|key| field[key].to_string());
            let (observed, alpha) = (number(&field["observed_agreement"], 3), number(&field["krippendorff_alpha"], 3));
            vec![format_value(&field["field"]), documents, reviewers, pairs, observed, alpha]
        })
        .collect();
    if agreement.is_empty() {
        text.push_str("\nNo field was reviewed by several reviewers.\n");
    } else {
        let header = ["field", "documents", "reviewers", "pairs", "agreement", "alpha"];
        let _ = write!(text, "\n{}", table(&header, &header[1..], &agreement));
    }
    let pairs: Vec<Vec<String>> = items(&found["agreement"]["most_disagreeing"])
        .map(|pair| {
            vec![
                format_value(&pair["reviewer"]),
                format_value(&pair["other"]),
                pair["judged"].to_string(),
                pair["disagreements"].to_string(),
            ]
        })
        .collect();
    if !pairs.is_empty() {
        let _ = write!(
            text,
            "\n{}",
            table(&["reviewer", "other reviewer", "both reviewed", "disagreements"], &["both reviewed", "disagreements"], &pairs)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_show_recorded_and_rebuilt_values() {
        let found = json!({
            "verdict": "different",
            "differences": [{ "what": "examples", "recorded": 3, "rebuilt": 2 }],
            "files": [{ "path": "README.md", "state": "other_hash" }],
        });
        assert_eq!(
            verification(&found),
            "different: rebuilding from the events gives other rows than recorded\n  examples: recorded 3, rebuilt 2\n  README.md: other_hash\n"
        );
    }

    #[test]
    fn no_value_differs_from_every_label_and_tables_keep_their_lines() {
        let row = |label: Value| json!({ "label": label, "train": 3, "validation": 1, "test": 1, "rare": false });
        let labels: Vec<Value> = [json!("∅"), Value::Null, json!("∅ (no value)"), json!("a\nb\tc"), json!("Ye\u{200b}s"), json!("Yes")]
            .into_iter()
            .map(row)
            .collect();
        let found = json!({
            "examples": 30, "min_support": 2, "left_out": [], "conflicts_total": 0, "conflicts": [], "agreement": { "fields": [] },
            "fields": { "answer": { "reviewed": 30, "rare_labels": 0, "labels": labels, "similar_labels": [["Yes", "Ye\u{200b}s"]] } },
        });
        let text = report(&found);
        let shown: Vec<&str> =
            text.lines().filter(|line| line.ends_with("3           1     1")).map(|line| line[..line.len() - 16].trim_end()).collect();
        let first = |line: &str| line.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned();
        let labels: Vec<String> = shown.into_iter().map(first).collect();
        assert_eq!(labels, ["\"∅\"", "∅ (no value)", "\"∅ (no value)\"", r#""a\nb\tc""#, r#""Ye\u{200b}s""#, "Yes"], "{text}");
        assert!(text.contains(r#"look alike are counted separately: Yes, "Ye\u{200b}s""#), "{text}");
    }

    #[test]
    fn changes_are_rows() {
        let found = json!({
            "summary": { "in_both": 2, "moved_split": 0, "counts": [{ "kind": "relabelled", "field": "law", "changes": 1 }], "drift": { "fields": [] } },
            "changes": [{ "document_id": "d", "document": "s/2/5", "kind": "relabelled", "field": "law", "old": ["Utah"], "new": [] }],
            "more": false,
        });
        let text = diff(&found);
        assert!(text.contains("relabelled  law        1\n"), "{text}");
        assert!(text.ends_with("s/2/5     relabelled  law    Utah  ∅ (no value)\n"), "{text}");
    }
}
