//! Renders the report of an import.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{ReasonGroup, escape_unprintable};
use aprendiz_text::{choose, count, group_digits};
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
    source: Option<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    documents_restored: u64,
    #[serde(default)]
    documents_archived: u64,
    #[serde(default)]
    splits: BTreeMap<String, u64>,
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

/// Prints the report of an import that this command made or watched; fails if nothing was imported.
pub(super) fn finish_import(report: &Value, output: Output) -> Result<(), CliError> {
    print_report(report, None, output)?;
    check_imported(&decode(report, "import report")?)
}

/// Fails if every task of the file is quarantined: a script that goes on would train without the new data.
fn check_imported(report: &Report) -> Result<(), CliError> {
    if report.tasks == 0 || report.quarantined < report.tasks {
        return Ok(());
    }
    if report.dry_run {
        let invalid = if report.tasks == 1 { "the only task".to_owned() } else { format!("all {}", count(report.tasks, "task")) };
        let are = choose(report.tasks, "is", "are");
        return Err(CliError::Refused(format!("nothing would be imported: {invalid} of the file {are} invalid, for the reasons above")));
    }
    Err(CliError::Refused(format!(
        "nothing was imported: {} of the file {} quarantined, for the reasons above; repair {}: aprendiz imports quarantine {} --tasks FILE",
        if report.tasks == 1 { "the only task".to_owned() } else { format!("all {}", count(report.tasks, "task")) },
        choose(report.tasks, "is", "are"),
        choose(report.tasks, "it", "them"),
        report.import_id
    )))
}

/// One line per reason; reports of older servers have no groups.
fn quarantined_lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let mut listed = 0;
    if report.quarantine_reasons.is_empty() {
        for task in &report.quarantined_tasks {
            let id = task.task_id.as_deref().map(|id| format!(" (id {id})")).unwrap_or_default();
            lines.push(format!("quarantined: task at position {}{id}: {}", task.task_index, task.reason));
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
        lines.push(format!("quarantined: {} more", group_digits(report.quarantined - listed)));
    }
    lines
}

/// The documents of the file by split.
fn split_line(splits: &BTreeMap<String, u64>) -> Option<String> {
    let documents = |split: &str| splits.get(split).copied().unwrap_or(0);
    let excluded = match documents("excluded") {
        0 => String::new(),
        excluded => format!(", {excluded} excluded (aprendiz document explain DOCUMENT shows why)"),
    };
    let [train, validation, test] = ["train", "validation", "test"].map(documents);
    (!splits.is_empty()).then(|| format!("splits: {train} train, {validation} validation, {test} test{excluded}"))
}

fn render(report: &Report, retried_by: Option<&str>) -> String {
    let mut lines = vec![format!(
        "{} {} ({}){}: {} created, {} updated, {} unchanged; {} created; {} quarantined",
        if report.dry_run { "dry run, nothing was imported:" } else { "imported" },
        count(report.tasks, "task"),
        human_bytes(report.bytes),
        report.source.as_deref().map(|source| format!(" from {}", escape_unprintable(source))).unwrap_or_default(),
        count(report.documents_created, "document"),
        group_digits(report.documents_updated),
        group_digits(report.documents_unchanged),
        count(report.events_created, "review event"),
        count(report.quarantined, "task")
    )];
    lines.extend(split_line(&report.splits));
    if report.documents_restored > 0 {
        let (documents, are) = (count(report.documents_restored, "document"), choose(report.documents_restored, "is", "are"));
        lines.push(format!("{documents} {are} back that were withdrawn with an earlier import"));
    }
    if report.documents_archived > 0 {
        let (documents, are) = (count(report.documents_archived, "document"), choose(report.documents_archived, "is", "are"));
        lines.push(format!("{documents} {are} archived, and {} archived", choose(report.documents_archived, "stays", "stay")));
    }
    // an import that changed nothing has no counts
    if report.documents_created + report.documents_updated + report.events_created > 0 && !report.fields.is_empty() {
        let rows: Vec<Vec<String>> = report
            .fields
            .iter()
            .map(|(field, counts)| {
                let cells = STATUSES.iter().map(|status| counts.get(*status).copied().unwrap_or(0));
                let cells = cells.map(|documents| group_digits(documents.unsigned_abs()));
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
    } else if report.quarantined > 0 && !report.dry_run {
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
            "note: {} are about {}: tasks with the same id are annotations of one document",
            count(valid, "valid task"),
            count(documents, "document")
        ));
    }
    lines.extend(report.renamed_fields.iter().map(|(name, field)| format!("field: `{}` is stored as {field}", escape_unprintable(name))));
    if report.reviews_retracted > 0 {
        lines.push(format!("retracted: {} whose annotations are no longer in the file", count(report.reviews_retracted, "review")));
    }
    lines.extend(
        report.unknown_controls.iter().map(|(control, items)| format!("ignored: {} of control type {control}", count(*items, "result"))),
    );
    lines.extend(report.unknown_keys.iter().map(|(key, times)| format!("ignored: key {key} ({})", count(*times, "occurrence"))));
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
                {"reason": "the task has no id", "count": 600, "examples": ["task at position 0", "task at position 1"]},
                {"reason": "annotation 61: no time", "count": 1, "examples": ["task at position 3 (id 604)"]},
            ]),
            650,
        );
        for line in [
            "quarantined: 600 × the task has no id (task at position 0; task at position 1, …)",
            "quarantined: task at position 3 (id 604): annotation 61: no time",
            "quarantined: 49 more",
            "note: 1 × a part was left out (task 7, annotation 8)",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("quarantined: ")).count(), 3, "{text}");
    }

    #[test]
    fn an_import_fails_if_every_task_is_quarantined() {
        for (tasks, quarantined, fails) in [(8, 8, true), (8, 7, false), (0, 0, false)] {
            let report = json!({
                "bytes": 1, "tasks": tasks, "documents_created": 0, "documents_updated": 0, "documents_unchanged": 0, "events_created": 0,
                "quarantined": quarantined, "import_id": "i", "fields": {}, "warnings": [], "quarantined_tasks": [],
            });
            let checked = check_imported(&serde_json::from_value(report).unwrap());
            let text = match checked {
                Err(CliError::Refused(text)) => Some(text),
                _ => None,
            };
            assert_eq!(text.is_some(), fails, "{tasks} {quarantined}");
            assert!(text.is_none_or(|text| text.contains("all 8 tasks")));
        }
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
    fn a_report_names_source_splits_and_a_dry_run() {
        let report = json!({
            "bytes": 1000, "tasks": 3, "documents_created": 3, "documents_updated": 0, "documents_unchanged": 0, "events_created": 0,
            "quarantined": 0, "import_id": "i", "fields": {}, "warnings": [], "quarantined_tasks": [], "source": "second", "dry_run": true,
            "splits": { "train": 2, "excluded": 1 },
        });
        let text = render(&serde_json::from_value(report).unwrap(), None);
        assert!(text.starts_with("dry run, nothing was imported: 3 tasks (1000 B) from second: 3 documents created"), "{text}");
        assert!(text.contains("splits: 2 train, 0 validation, 0 test, 1 excluded"), "{text}");
        // its import does not exist: nothing can be repaired
        let report = json!({
            "bytes": 1, "tasks": 2, "documents_created": 0, "documents_updated": 0, "documents_unchanged": 0, "events_created": 0,
            "quarantined": 2, "import_id": "i", "fields": {}, "warnings": [], "quarantined_tasks": [], "dry_run": true,
        });
        let checked = check_imported(&serde_json::from_value(report).unwrap());
        assert!(
            matches!(&checked, Err(CliError::Refused(text)) if text.starts_with("nothing would be imported: all 2 tasks")),
            "{checked:?}"
        );
    }

    #[test]
    fn a_report_without_groups_lists_its_tasks() {
        let text = render_report(&json!([]), 2);
        assert!(text.contains("quarantined: task at position 2 (id 9): no text\nquarantined: 1 more"), "{text}");
    }
}
