//! Upload and scoring of legacy CSV review files.

use aprendiz_text::{choose, count, group_digits};
use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::{Body, header};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::import::{STATUSES, open_input};
use crate::cli::terminal::table;

const PATH: [&str; 3] = ["v1", "imports", "legacy-csv"];

/// Imports a file and returns the report of the API.
pub(super) async fn import(
    client: &Client,
    file: &Path,
    project: Option<&str>,
    reviewed_at: Option<DateTime<Utc>>,
) -> Result<Value, CliError> {
    let input = open_input(file).await?;
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(project.map(|project| ("project", project.to_owned())));
    // without an explicit time, reviews date from the last change of the file, so that they never override newer ones
    query.extend(reviewed_at.or(input.modified_at).map(|time| ("reviewed_at", time.to_rfc3339_opts(SecondsFormat::Micros, true))));
    query.extend(input.file_name.map(|name| ("file_name", name)));
    let request = client.upload(&PATH).query(&query).header(header::CONTENT_TYPE, "text/csv");
    client.json(request.body(Body::wrap_stream(input.stream))).await
}

/// Scores the predictions of a file against its reviews, without importing it.
pub(super) async fn score(client: &Client, file: &Path) -> Result<Value, CliError> {
    let [v1, imports, legacy_csv] = PATH;
    let request = client.upload(&[v1, imports, legacy_csv, "score"]).header(header::CONTENT_TYPE, "text/csv");
    client.json(request.body(Body::wrap_stream(open_input(file).await?.stream))).await
}

#[derive(Deserialize)]
struct Report {
    rows: u64,
    rows_matched: u64,
    rows_repeated: u64,
    documents_created: u64,
    events_created: u64,
    predictions_stored: u64,
    quarantined: u64,
    quarantined_rows: Vec<QuarantinedRow>,
    columns: BTreeMap<String, String>,
    fields: BTreeMap<String, BTreeMap<String, i64>>,
    unknown_statuses: BTreeMap<String, u64>,
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct QuarantinedRow {
    task_index: u64,
    reason: String,
}

/// Renders an import report.
pub(super) fn report_text(report: &Value) -> String {
    let Ok(report) = Report::deserialize(report) else {
        return report.to_string();
    };
    let mut lines = vec![format!(
        "imported {}: {} matched existing documents, {} created, {}; {} and {} created; {} quarantined",
        count(report.rows, "row"),
        group_digits(report.rows_matched),
        count(report.documents_created, "document"),
        count(report.rows_repeated, "duplicate row"),
        count(report.events_created, "review event"),
        count(report.predictions_stored, "prediction"),
        count(report.quarantined, "row")
    )];
    let rows: Vec<Vec<String>> = report
        .columns
        .iter()
        .map(|(field, column)| {
            let counts = report.fields.get(field);
            let cells = STATUSES.iter().map(|status| counts.and_then(|counts| counts.get(*status)).copied().unwrap_or(0).to_string());
            [column.clone(), field.clone()].into_iter().chain(cells).collect()
        })
        .collect();
    let header: Vec<&str> = ["column", "field"].into_iter().chain(STATUSES).collect();
    lines.push(String::new());
    lines.push(table(&header, &STATUSES, &rows));
    lines.extend(report.quarantined_rows.iter().map(|row| format!("quarantined: row {}: {}", row.task_index, row.reason)));
    let listed = report.quarantined_rows.len() as u64;
    if listed < report.quarantined {
        lines.push(format!("quarantined: {} more", report.quarantined - listed));
    }
    lines.extend(
        report.unknown_statuses.iter().map(|(status, rows)| format!("warning: unknown status `{status}` ({})", count(*rows, "row"))),
    );
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}

#[derive(Deserialize)]
struct Score {
    unreadable: u64,
    #[serde(default)]
    warnings: Vec<String>,
    fields: BTreeMap<String, FieldScore>,
    overall: FieldScore,
}

#[derive(Deserialize)]
struct FieldScore {
    rows: u64,
    labelled: u64,
    predicted: u64,
    accuracy: Option<f64>,
    coverage: Option<f64>,
}

/// Renders a score.
pub(super) fn score_text(score: &Value) -> String {
    let Ok(score) = Score::deserialize(score) else {
        return score.to_string();
    };
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "undefined".to_owned(), |ratio| format!("{ratio:.3}"));
    let row = |name: &str, score: &FieldScore| {
        let FieldScore { rows, labelled, predicted, accuracy, coverage } = score;
        vec![name.to_owned(), rows.to_string(), labelled.to_string(), predicted.to_string(), ratio(*accuracy), ratio(*coverage)]
    };
    let mut rows: Vec<Vec<String>> = score.fields.iter().map(|(name, score)| row(name, score)).collect();
    rows.push(row("(all fields)", &score.overall));
    let columns = ["rows", "labelled", "predicted", "accuracy", "coverage"];
    let header: Vec<&str> = ["field"].into_iter().chain(columns).collect();
    let mut text = table(&header, &columns, &rows);
    if score.unreadable > 0 {
        text.push_str(&format!("{} {} skipped\n", count(score.unreadable, "unreadable row"), choose(score.unreadable, "was", "were")));
    }
    for warning in &score.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}
