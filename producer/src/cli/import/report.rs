//! Renders the report of an import.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{ReasonGroup, escape_unprintable};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::decode;
use crate::cli::terminal::{Output, human_bytes, table};

/// Review statuses, as named in reports.
pub(crate) const STATUSES: [&str; 6] = ["OK", "CORRECTED", "NEW", "REJECTED", "MISSING", "UNREVIEWED"];

#[derive(Deserialize)]
struct Report {
    bytes: u64,
    tasks: u64,
    documents_created: u64,
    documents_updated: u64,
    documents_unchanged: u64,
    events_created: u64,
    quarantined: u64,
    #[serde(default)]
    quarantine_reasons: Vec<ReasonGroup>,
    #[serde(default)]
    notes: Vec<ReasonGroup>,
    quarantined_tasks: Vec<QuarantinedTask>,
    import_id: String,
    #[serde(default)]
    reviews_retracted: u64,
    #[serde(default)]
    unknown_controls: BTreeMap<String, u64>,
    #[serde(default)]
    unknown_keys: BTreeMap<String, u64>,
    #[serde(default)]
    renamed_fields: BTreeMap<String, String>,
    fields: BTreeMap<String, BTreeMap<String, i64>>,
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct QuarantinedTask {
    task_index: u64,
    task_id: Option<String>,
    reason: String,
}

/// Prints a stored report. `retried_by` is the import that retried its quarantined tasks.
pub(super) fn print_report(report: &Value, retried_by: Option<&str>, output: Output) -> Result<(), CliError> {
    let view: Report = decode(report, "import report")?;
    output.print(report, || render(&view, retried_by))?;
    Ok(())
}

/// Prints the report of an import that has just ended. It failed if it imported nothing, because every task is invalid.
pub(super) fn print_new_report(report: &Value, output: Output) -> Result<(), CliError> {
    print_report(report, None, output)?;
    let view: Report = decode(report, "import report")?;
    if view.tasks > 0 && view.quarantined == view.tasks {
        let text =
            "nothing was imported, because every task is in quarantine: check the reasons above, --text-key and the format of the file";
        return Err(CliError::Failed(anyhow::anyhow!(text)));
    }
    Ok(())
}

/// One line per reason; reports of older servers have no groups.
fn quarantined_lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let mut listed = 0;
    if report.quarantine_reasons.is_empty() {
        for task in &report.quarantined_tasks {
            let id = task.task_id.as_deref().map(|id| format!(" (id {id})")).unwrap_or_default();
            lines.push(format!("quarantined: task {}{id}: {}", task.task_index, task.reason));
            listed += 1;
        }
    }
    for group in &report.quarantine_reasons {
        lines.push(match group.examples.first() {
            Some(task) if group.count == 1 => format!("quarantined: {task}: {}", escape_unprintable(&group.reason)),
            _ => format!("quarantined: {}", escape_unprintable(&group.to_string())),
        });
        listed += group.count;
    }
    if listed < report.quarantined {
        lines.push(format!("quarantined: {} more", report.quarantined - listed));
    }
    lines
}

fn render(report: &Report, retried_by: Option<&str>) -> String {
    let mut lines = vec![format!(
        "imported {} tasks ({}): {} documents created, {} updated, {} unchanged; {} review events created; {} tasks quarantined",
        report.tasks,
        human_bytes(report.bytes),
        report.documents_created,
        report.documents_updated,
        report.documents_unchanged,
        report.events_created,
        report.quarantined
    )];
    // an import that changed nothing has no counts
    if report.documents_created + report.documents_updated + report.events_created > 0 && !report.fields.is_empty() {
        let rows: Vec<Vec<String>> = report
            .fields
            .iter()
            .map(|(field, counts)| {
                let cells = STATUSES.iter().map(|status| counts.get(*status).copied().unwrap_or(0).to_string());
                std::iter::once(field.clone()).chain(cells).collect()
            })
            .collect();
        let header: Vec<&str> = std::iter::once("field").chain(STATUSES).collect();
        lines.push(String::new());
        lines.push(table(&header, &STATUSES, &rows));
    }
    lines.extend(quarantined_lines(report));
    if let Some(retry) = retried_by {
        lines.push(format!("the quarantined tasks were retried by import {retry}: aprendiz imports show {retry}"));
    } else if report.quarantined > 0 {
        lines.push(format!(
            "to repair quarantined tasks, write them to a file, edit it and import it: aprendiz imports quarantine {} --tasks FILE",
            report.import_id
        ));
    }
    // a file of JSON_MIN has one task per annotation
    let documents = report.documents_created + report.documents_updated + report.documents_unchanged;
    let valid = report.tasks.saturating_sub(report.quarantined);
    if documents > 0 && documents < valid {
        lines.push(format!(
            "note: {valid} valid tasks are about {documents} documents: tasks with the same id are annotations of one document"
        ));
    }
    lines.extend(report.renamed_fields.iter().map(|(name, field)| format!("field: `{}` is stored as {field}", escape_unprintable(name))));
    if report.reviews_retracted > 0 {
        lines.push(format!("retracted: {} reviews whose annotations are no longer in the file", report.reviews_retracted));
    }
    lines.extend(report.unknown_controls.iter().map(|(control, items)| format!("ignored: {items} results of control type {control}")));
    lines.extend(report.unknown_keys.iter().map(|(key, times)| format!("ignored: key {key} ({times} occurrences)")));
    lines.extend(report.notes.iter().map(|note| format!("note: {}", escape_unprintable(&note.to_string()))));
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {}", escape_unprintable(warning))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render_report(quarantine: &Value, quarantined: u64) -> String {
        let report = json!({
            "bytes": 1000, "tasks": 700, "documents_created": 0, "documents_updated": 0, "documents_unchanged": 0, "events_created": 0,
            "quarantined": quarantined, "import_id": "i", "fields": {}, "warnings": [],
            "quarantined_tasks": [{"task_index": 2, "task_id": "9", "reason": "no text"}],
            "quarantine_reasons": quarantine,
            "notes": [{"reason": "a part was left out", "count": 1, "examples": ["task 7, annotation 8"]}],
        });
        render(&serde_json::from_value(report).unwrap(), None)
    }

    #[test]
    fn equal_reasons_are_one_line_with_their_number_and_examples() {
        let text = render_report(
            &json!([
                {"reason": "the task has no id", "count": 600, "examples": ["task 0", "task 1"]},
                {"reason": "annotation 61: no time", "count": 1, "examples": ["task 3 (id 604)"]},
            ]),
            650,
        );
        for line in [
            "quarantined: 600 × the task has no id (task 0; task 1, …)",
            "quarantined: task 3 (id 604): annotation 61: no time",
            "quarantined: 49 more",
            "note: 1 × a part was left out (task 7, annotation 8)",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("quarantined: ")).count(), 3, "{text}");
    }

    #[test]
    fn a_retried_import_no_longer_asks_for_repair() {
        let report = |quarantined: u64| -> Report {
            serde_json::from_value(json!({
                "bytes": 1000, "tasks": 41 + quarantined, "documents_created": 40, "documents_updated": 0, "documents_unchanged": 0,
                "events_created": 0, "quarantined": quarantined, "import_id": "i", "fields": {}, "warnings": [], "quarantined_tasks": [],
            }))
            .unwrap()
        };
        assert!(render(&report(1), None).contains("aprendiz imports quarantine i --tasks FILE"));
        let retried = render(&report(1), Some("j"));
        assert!(retried.contains("retried by import j: aprendiz imports show j") && !retried.contains("to repair"), "{retried}");
        let explained = render(&report(0), None);
        assert!(explained.contains("41 valid tasks are about 40 documents: tasks with the same id"), "{explained}");
    }

    #[test]
    fn a_report_without_groups_lists_its_tasks() {
        let text = render_report(&json!([]), 2);
        assert!(text.contains("quarantined: task 2 (id 9): no text\nquarantined: 1 more"), "{text}");
    }
}
