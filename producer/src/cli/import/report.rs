//! Renders the report of an import.

use std::collections::BTreeMap;

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
    quarantined_tasks: Vec<QuarantinedTask>,
    import_id: String,
    #[serde(default)]
    reviews_withdrawn: u64,
    #[serde(default)]
    unknown_controls: BTreeMap<String, u64>,
    #[serde(default)]
    unknown_keys: BTreeMap<String, u64>,
    fields: BTreeMap<String, BTreeMap<String, i64>>,
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct QuarantinedTask {
    task_index: u64,
    task_id: Option<String>,
    reason: String,
}

pub(super) fn print_report(report: &Value, output: Output) -> Result<(), CliError> {
    let view: Report = decode(report, "import report")?;
    output.print(report, || render(&view))?;
    Ok(())
}

fn render(report: &Report) -> String {
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
    for task in &report.quarantined_tasks {
        let id = task.task_id.as_deref().map(|id| format!(" (id {id})")).unwrap_or_default();
        lines.push(format!("quarantined: task {}{id}: {}", task.task_index, task.reason));
    }
    let listed = report.quarantined_tasks.len() as u64;
    if listed < report.quarantined {
        lines.push(format!("quarantined: {} more", report.quarantined - listed));
    }
    if report.quarantined > 0 {
        lines.push(format!(
            "to repair quarantined tasks, write them to a file, edit it and import it: aprendiz imports quarantine {} --tasks FILE",
            report.import_id
        ));
    }
    if report.reviews_withdrawn > 0 {
        lines.push(format!("retracted: {} reviews whose annotations are no longer in the file", report.reviews_withdrawn));
    }
    lines.extend(report.unknown_controls.iter().map(|(control, items)| format!("ignored: {items} results of control type {control}")));
    lines.extend(report.unknown_keys.iter().map(|(key, times)| format!("ignored: key {key} ({times} occurrences)")));
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}
