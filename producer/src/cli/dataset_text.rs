//! Comparisons, verifications and reports of snapshots as text for people.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::output::table;

/// Text of a value as the API gives it: lists of values with commas, null as a dash.
pub(crate) fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "∅".to_owned(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

/// A label; null is "no value".
fn label(value: &Value) -> String {
    value.as_str().map_or_else(|| "∅".to_owned(), ToOwned::to_owned)
}

pub(crate) fn diff(found: &Value) -> String {
    let summary = &found["summary"];
    let mut text = String::new();
    if summary["same_content"] == true {
        text.push_str("The snapshots have the same content.\n");
    }
    for (key, name) in [("fields_removed", "only in the first"), ("fields_added", "only in the second")] {
        let fields = items(&summary[key]).map(words).collect::<Vec<_>>();
        if !fields.is_empty() {
            let _ = writeln!(text, "Fields {name}: {}", fields.join(", "));
        }
    }
    let _ = writeln!(text, "{} documents are in both.", summary["in_both"]);
    if summary["moved_split"] != 0 {
        let _ = writeln!(text, "{} documents are in another split: this must never happen, please report it.", summary["moved_split"]);
    }
    let counts: Vec<Vec<String>> =
        items(&summary["counts"]).map(|count| vec![words(&count["kind"]), words(&count["field"]), count["changes"].to_string()]).collect();
    if !counts.is_empty() {
        let _ = write!(text, "\n{}", table(&["change", "field", "number"], &["number"], &counts));
    }
    let drift: Vec<Vec<String>> = items(&summary["drift"]["fields"])
        .map(|field| {
            let [tv, psi, js] =
                ["total_variation", "population_stability_index", "jensen_shannon_distance"].map(|key| number(&field[key], 4));
            let [new, gone] = ["new_labels", "vanished_labels"].map(|key| items(&field[key]).map(label).collect::<Vec<_>>().join(", "));
            vec![words(&field["field"]), tv, psi, js, new, gone]
        })
        .collect();
    if !drift.is_empty() {
        let heading = ["field", "variation", "PSI", "Jensen-Shannon", "new labels", "vanished labels"];
        let _ = write!(text, "\n{}", table(&heading, &["variation", "PSI", "Jensen-Shannon"], &drift));
    }
    let changes: Vec<Vec<String>> = items(&found["changes"])
        .map(|change| ["document_id", "kind", "field", "old", "new"].map(|key| words(&change[key])).to_vec())
        .collect();
    if !changes.is_empty() {
        let _ = write!(text, "\n{}", table(&["document", "change", "field", "from", "to"], &[], &changes));
    }
    if found["more"] == true {
        text.push_str("There are more: --limit\n");
    }
    text
}

pub(crate) fn verification(found: &Value) -> String {
    let mut text = match found["verdict"].as_str().unwrap_or_default() {
        "same" => "same: the events give the rows that were recorded\n".to_owned(),
        "different" => "different: the events give other rows than were recorded\n".to_owned(),
        "erased" => "erased: a document in it was erased, so it cannot be made any more\n".to_owned(),
        "other_builder_version" => {
            format!("other_builder_version: version {} of the builder made it, this is another one\n", found["builder_version"])
        }
        other => format!("{other}\n"),
    };
    for difference in items(&found["differences"]) {
        let [what, recorded, rebuilt] = ["what", "recorded", "rebuilt"].map(|key| words(&difference[key]));
        let _ = writeln!(text, "  {what}: {recorded} was recorded, {rebuilt} was rebuilt");
    }
    for erased in items(&found["erased"]) {
        let [document, actor, at, reason] = ["document_id", "actor", "erased_at", "reason"].map(|key| words(&erased[key]));
        let _ = writeln!(text, "  document {document}: by {actor} at {at}: {reason}");
        for proof in items(&erased["proof"]) {
            let _ = writeln!(text, "    text {}: sha256 {}", proof["version"], words(&proof["sha256"]));
        }
    }
    for file in items(&found["files"]) {
        let _ = writeln!(text, "  {}: {}", words(&file["path"]), words(&file["state"]));
    }
    text
}

pub(crate) fn report(found: &Value) -> String {
    const LABELS: usize = 10;
    let mut text = format!("{} examples; labels with fewer than {} are not learned\n", found["examples"], found["min_support"]);
    for (field, counts) in found["fields"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "\n{field}: {} reviewed, {} rare labels", counts["reviewed"], counts["rare_labels"]);
        let rows: Vec<Vec<String>> = items(&counts["labels"])
            .take(LABELS)
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
        let of = counts["labels"].as_array().map_or(0, Vec::len);
        if !rows.is_empty() {
            text.push_str(&table(&["label", "train", "validation", "test", ""], &["train", "validation", "test"], &rows));
        }
        if of > LABELS {
            let _ = writeln!(text, "and {} more labels", of - LABELS);
        }
    }
    let left_out: Vec<Vec<String>> = items(&found["left_out"]).map(|left| vec![words(&left["field"]), words(&left["reason"])]).collect();
    if !left_out.is_empty() {
        let _ = write!(text, "\n{}", table(&["left out", "why"], &[], &left_out));
    }
    let _ = writeln!(text, "\n{} conflicts: the same text with different accepted values", found["conflicts_total"]);
    let conflicts: Vec<Vec<String>> = items(&found["conflicts"])
        .flat_map(|conflict| {
            items(&conflict["values"]).map(|value| {
                let examples = items(&value["examples"]).map(words).collect::<Vec<_>>().join(" ");
                vec![words(&conflict["field"]), words(&value["value"]), value["documents"].to_string(), examples]
            })
        })
        .collect();
    if !conflicts.is_empty() {
        text.push_str(&table(&["field", "value", "documents", "for example"], &["documents"], &conflicts));
    }
    let agreement: Vec<Vec<String>> = items(&found["agreement"]["fields"])
        .map(|field| {
            let [documents, reviewers, pairs] = ["documents", "reviewers", "pairs"].map(|key| field[key].to_string());
            let (observed, alpha) = (number(&field["observed_agreement"], 3), number(&field["krippendorff_alpha"], 3));
            vec![words(&field["field"]), documents, reviewers, pairs, observed, alpha]
        })
        .collect();
    if agreement.is_empty() {
        text.push_str("\nNo field of a document was judged by several reviewers.\n");
    } else {
        let heading = ["field", "documents", "reviewers", "pairs", "agreement", "alpha"];
        let _ = write!(text, "\n{}", table(&heading, &heading[1..], &agreement));
    }
    let pairs: Vec<Vec<String>> = items(&found["agreement"]["most_disagreeing"])
        .map(|pair| vec![words(&pair["reviewer"]), words(&pair["other"]), pair["judged"].to_string(), pair["disagreements"].to_string()])
        .collect();
    if !pairs.is_empty() {
        let _ = write!(text, "\n{}", table(&["reviewer", "and", "judged both", "differently"], &["judged both", "differently"], &pairs));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_names_what_was_recorded_and_what_is() {
        let found = json!({
            "verdict": "different",
            "differences": [{ "what": "examples", "recorded": 3, "rebuilt": 2 }],
            "files": [{ "path": "README.md", "state": "other_hash" }],
        });
        assert_eq!(
            verification(&found),
            "different: the events give other rows than were recorded\n  examples: 3 was recorded, 2 was rebuilt\n  README.md: other_hash\n"
        );
    }

    #[test]
    fn a_change_is_a_line() {
        let found = json!({
            "summary": { "in_both": 2, "moved_split": 0, "counts": [{ "kind": "relabelled", "field": "law", "changes": 1 }], "drift": { "fields": [] } },
            "changes": [{ "document_id": "d", "kind": "relabelled", "field": "law", "old": ["Utah"], "new": [] }],
            "more": false,
        });
        let text = diff(&found);
        assert!(text.contains("relabelled  law         1\n"), "{text}");
        assert!(text.ends_with("d         relabelled  law    Utah  ∅\n"), "{text}");
    }
}
