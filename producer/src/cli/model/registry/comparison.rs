//! Comparison of two versions, for people.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::model::registry::compared_targets::target_rows;
use crate::cli::terminal::{Output, cell, items, table};

/// Documents, classes and confusion cells shown per field.
const SHOWN_ROWS: usize = 10;

pub(super) async fn compare_versions(
    client: &Client,
    name: &str,
    candidate: Option<&str>,
    baseline: Option<&str>,
    output: Output,
) -> Result<(), CliError> {
    let numbers = [("candidate", candidate), ("baseline", baseline)];
    let query: Vec<(&str, &str)> = numbers.into_iter().filter_map(|(name, number)| Some((name, number?))).collect();
    let compared: Value = client.json(client.request(Method::GET, &["v1", "models", name, "compare"]).query(&query)).await?;
    output.print(&compared, || match &compared["gate"] {
        Value::Null => render(&compared),
        gate => format!("{}\nIf the candidate were promoted:\n{}", render(&compared), gate_table(gate)),
    })?;
    Ok(())
}

/// Compares the versions that two runs published.
pub(crate) async fn compare_runs(client: &Client, candidate: Uuid, baseline: Uuid, output: Output) -> Result<(), CliError> {
    let query = [("candidate", candidate), ("baseline", baseline)];
    let compared: Value = client.json(client.request(Method::GET, &["v1", "training-runs", "compare"]).query(&query)).await?;
    output.print(&compared, || render(&compared))?;
    Ok(())
}

fn render(compared: &Value) -> String {
    let name = |side: &str| match compared[side]["extractor_versions"].as_array() {
        Some(versions) => format!("extractor ({})", versions.iter().map(cell).collect::<Vec<_>>().join(", ")),
        None => format!("{} version {}", cell(&compared[side]["model"]), compared[side]["number"]),
    };
    let mut shown = format!("candidate {}, baseline {}\n", name("candidate"), name("baseline"));
    if let Some(erased) = compared["erased"].as_u64().filter(|erased| *erased > 0) {
        let _ = writeln!(shown, "Test documents that were erased and are not compared: {erased}");
    }
    shown.push_str(&evaluation_lines(compared));
    let hashes = (compared["candidate"]["dataset_hash"].as_str(), compared["baseline"]["dataset_hash"].as_str());
    if let (Some(candidate), Some(baseline)) = hashes
        && candidate != baseline
    {
        shown.push_str("The versions have different snapshots: only test documents of both are compared.\n");
    }
    for (field, side) in [("only_baseline", "baseline"), ("only_candidate", "candidate")] {
        let names: Vec<String> = items(&compared[field]).map(cell).collect();
        if !names.is_empty() {
            let _ = writeln!(shown, "Fields of the {side} only: {}", names.join(", "));
        }
    }
    shown.push('\n');
    let mut rows = Vec::new();
    for field in items(&compared["fields"]) {
        let comparison = &field["comparison"];
        for (number, metric) in items(&comparison["metrics"]).enumerate() {
            let first = |value: String| if number == 0 { value } else { String::new() };
            rows.push(vec![
                first(cell(&field["field"])),
                first(cell(&comparison["n"])),
                cell(&metric["metric"]).replace('_', " "),
                share(&metric["baseline"]),
                share(&metric["candidate"]),
                points(&metric["difference"]),
                interval(&metric["interval"]),
                first(format!("{}/{}/{}", comparison["wins"], comparison["losses"], comparison["ties"])),
                first(comparison["p_value"].as_f64().map_or_else(String::new, |p| format!("{p:.3}"))),
            ]);
        }
    }
    let header = ["field", "n", "metric", "baseline", "candidate", "difference", "95 % interval", "wins/losses/ties", "p"];
    shown.push_str(&table(&header, &["n", "baseline", "candidate", "difference", "p"], &rows));
    shown.push_str(&target_rows(compared));
    for field in items(&compared["fields"]) {
        shown.push_str(&class_table(field));
        shown.push_str(&confusion_table(field));
        shown.push_str(&differing_documents(field));
    }
    shown
}

/// The evaluation runs that took part, what was left out, and what would make more documents comparable. Servers of older versions report
/// none of them.
fn evaluation_lines(compared: &Value) -> String {
    let mut lines = String::new();
    for used in items(&compared["evaluations"]) {
        let _ = writeln!(
            lines,
            "The {} has predictions of evaluation run {} for {} documents.",
            cell(&used["side"]),
            cell(&used["run_id"]),
            used["documents"]
        );
    }
    for exclusion in items(&compared["exclusions"]) {
        let side = cell(&exclusion["side"]);
        let reason = cell(&exclusion["reason"]);
        let sentence = match (reason.as_str(), exclusion["documents"].as_u64()) {
            ("trained", Some(documents)) => format!("{documents} documents are not compared: the {side} was trained on them."),
            ("selected", Some(documents)) => format!("{documents} documents are not compared: the {side} was selected on them."),
            (_, Some(documents)) => format!("{documents} documents are not compared ({side}: {}).", reason.replace('_', " ")),
            (_, None) => format!(
                "Evaluation run {} of the {side} is not used: {}.",
                cell(&exclusion["run_id"]),
                reason.strip_prefix("evaluation_").unwrap_or(&reason).replace('_', " ")
            ),
        };
        let _ = writeln!(lines, "{sentence}");
    }
    for suggestion in items(&compared["suggestions"]) {
        let _ = writeln!(lines, "{}:\n  {}", cell(&suggestion["message"]), cell(&suggestion["command"]));
    }
    lines
}

/// A class as people read it.
fn label(value: &Value) -> String {
    if value.is_null() { "∅".to_owned() } else { cell(value) }
}

/// The classes whose F1 or recall differs.
fn class_table(field: &Value) -> String {
    let differs =
        |class: &&Value| ["f1_difference", "recall_difference"].iter().any(|key| class[*key].as_f64().is_some_and(|by| by != 0.0));
    let classes: Vec<&Value> = items(&field["comparison"]["classes"]).filter(differs).collect();
    if classes.is_empty() {
        return String::new();
    }
    let row = |class: &&Value| {
        vec![
            label(&class["label"]),
            cell(&class["support"]),
            share(&class["baseline_f1"]),
            share(&class["candidate_f1"]),
            points(&class["f1_difference"]),
            points(&class["recall_difference"]),
        ]
    };
    let rows: Vec<Vec<String>> = classes.iter().take(SHOWN_ROWS).map(row).collect();
    let header = ["class", "n", "baseline F1", "candidate F1", "F1 difference", "recall difference"];
    format!(
        "\n{}: F1 or recall of {} classes differs{}\n{}",
        cell(&field["field"]),
        classes.len(),
        limit_note(classes.len()),
        table(&header, &header[1..], &rows)
    )
}

/// The cells in which the confusion matrices differ.
fn confusion_table(field: &Value) -> String {
    let comparison = &field["comparison"];
    let cells: Vec<&Value> = items(&comparison["confusion"]).collect();
    if cells.is_empty() {
        return String::new();
    }
    let row = |counts: &&Value| {
        vec![
            label(&counts["gold"]),
            label(&counts["predicted"]),
            cell(&counts["baseline"]),
            cell(&counts["candidate"]),
            counts["delta"].as_i64().map_or_else(String::new, |delta| format!("{delta:+}")),
        ]
    };
    let rows: Vec<Vec<String>> = cells.iter().take(SHOWN_ROWS).map(row).collect();
    let header = ["accepted", "predicted", "baseline", "candidate", "difference"];
    format!(
        "\n{}: {} cells of the confusion matrices differ{}\n{}",
        cell(&field["field"]),
        comparison["differing_cells"],
        limit_note(cells.len()),
        table(&header, &header[2..], &rows)
    )
}

fn limit_note(rows: usize) -> String {
    if rows > SHOWN_ROWS { format!(", {SHOWN_ROWS} shown (-o json lists more)") } else { String::new() }
}

fn differing_documents(field: &Value) -> String {
    let documents: Vec<&Value> = items(&field["documents"]).collect();
    if documents.is_empty() {
        return String::new();
    }
    let row = |document: &Value| {
        vec![
            cell(&document["document"]),
            label(&document["gold"]),
            label(&document["baseline"]),
            share(&document["baseline_confidence"]),
            label(&document["candidate"]),
            share(&document["candidate_confidence"]),
        ]
    };
    let rows: Vec<Vec<String>> = documents.iter().copied().take(SHOWN_ROWS).map(row).collect();
    let header = ["document", "accepted", "baseline", "confidence", "candidate", "confidence"];
    format!(
        "\n{}: {} of {} documents differ{}\n{}",
        cell(&field["field"]),
        field["differing"],
        field["comparison"]["examples"],
        limit_note(documents.len()),
        table(&header, &["confidence"], &rows)
    )
}

/// The decision of the gate per field.
pub(super) fn gate_table(gate: &Value) -> String {
    if gate.is_null() {
        return String::new();
    }
    let row = |field: &Value| {
        vec![
            cell(&field["field"]),
            cell(&field["outcome"]).replace('_', " "),
            cell(&field["n"]),
            points(&field["difference"]),
            cell(&field["reason"]),
        ]
    };
    let rows: Vec<Vec<String>> = items(&gate["fields"]).map(row).collect();
    format!(
        "gate ({}): {}\n{}",
        cell(&gate["metric"]).replace('_', " "),
        cell(&gate["decision"]).replace('_', " "),
        table(&["field", "outcome", "n", "difference", "reason"], &["n", "difference"], &rows)
    )
}

/// A fraction with three decimals; a dash where it is undefined.
fn share(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// A difference in points.
fn points(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |value| format!("{:+.1}", 100.0 * value))
}

fn interval(value: &Value) -> String {
    match (value["low"].as_f64(), value["high"].as_f64()) {
        (Some(low), Some(high)) => format!("{:+.1} to {:+.1}", 100.0 * low, 100.0 * high),
        _ => "–".to_owned(),
    }
}
