//! Target accuracies of two compared versions, as a table.

use serde_json::Value;

use crate::cli::terminal::target_table::format_target;
use crate::cli::terminal::{cell, items, table};

/// Two rows per field: the target in use, and what the version would answer at others. Nothing if there is no common field.
pub(super) fn target_rows(compared: &Value) -> String {
    let mut targets: Vec<f64> = items(&compared["targets"])
        .flat_map(|field| items(&field["rows"]).filter_map(|row| row["target"].as_f64()).collect::<Vec<f64>>())
        .collect();
    targets.sort_by(|a, b| b.total_cmp(a));
    targets.dedup();
    let mut rows = Vec::new();
    for field in items(&compared["targets"]) {
        for (side, name) in [("baseline", cell(&field["field"])), ("candidate", String::new())] {
            let at = |target: &f64| {
                let row = items(&field["rows"]).find(|row| row["target"].as_f64() == Some(*target));
                row.map_or_else(String::new, |row| coverage(&row[side]))
            };
            let mut row = vec![name, side.to_owned(), own_target(&field[side])];
            row.extend(targets.iter().map(at));
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let columns: Vec<String> = targets.iter().map(|target| format_target(*target)).collect();
    let right: Vec<&str> = columns.iter().map(String::as_str).collect();
    let header: Vec<&str> = ["field", "version", "own target"].into_iter().chain(right.iter().copied()).collect();
    format!("\nanswered without review, by target accuracy (out of fold)\n{}", table(&header, &right, &rows))
}

/// The target in use; a changed one is marked.
fn own_target(own: &Value) -> String {
    let target = own["target"].as_f64().map_or_else(|| "–".to_owned(), format_target);
    let unreached = if own["threshold"].is_null() { ", not reached" } else { "" };
    let changed = if own["changed"] == true { ", changed" } else { "" };
    format!("{target}{unreached}{changed}")
}

/// The coverage at a target: a dash if the target is not reached, a question mark without out-of-fold scores.
fn coverage(target: &Value) -> String {
    match (target["threshold"].is_null(), target["coverage"].as_f64()) {
        (false, Some(coverage)) => format!("{:.1} %", 100.0 * coverage),
        (true, Some(_)) => "–".to_owned(),
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_versions_have_a_row_with_their_coverage_by_target() {
        let compared = json!({ "targets": [{
            "field": "law",
            "baseline": { "target": 0.95, "threshold": null, "changed": false },
            "candidate": { "target": 0.9, "threshold": 0.7, "changed": true },
            "rows": [
                { "target": 0.95, "baseline": { "threshold": null, "coverage": 0.0 }, "candidate": { "threshold": 0.8, "coverage": 0.25 } },
                { "target": 0.9, "baseline": { "threshold": 0.6, "coverage": 0.5 }, "candidate": null },
            ],
        }] });
        let text = target_rows(&compared);
        let lines: Vec<Vec<&str>> = text.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["field", "version", "own", "target", "0.95", "0.90"]);
        assert_eq!(lines[1], ["law", "baseline", "0.95,", "not", "reached", "–", "50.0", "%"]);
        assert_eq!(lines[2], ["candidate", "0.90,", "changed", "25.0", "%", "?"]);
        assert_eq!(target_rows(&json!({ "targets": [] })), "");
    }
}
