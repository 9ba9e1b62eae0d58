//! Review files of the old pipeline, sent to the API as a stream.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::{Body, header};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::io::ReaderStream;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::import::{STATUSES, standard_input};
use crate::cli::output::table;

const CHUNK: usize = 256 * 1024;
const ROUTE: [&str; 3] = ["v1", "imports", "legacy-csv"];

/// Takes a file into the tables; the report as the API gave it.
pub(super) async fn take_in(
    client: &Client,
    file: &Path,
    project: Option<&str>,
    reviewed_at: Option<DateTime<Utc>>,
) -> Result<Value, CliError> {
    let input = open(file).await?;
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(project.map(|project| ("project", project.to_owned())));
    // the file is as old as its reviews: a newer review must not lose against it
    query.extend(reviewed_at.or(input.changed_at).map(|time| ("reviewed_at", time.to_rfc3339_opts(SecondsFormat::Micros, true))));
    query.extend(file.file_name().filter(|name| *name != "-").map(|name| ("file_name", name.to_string_lossy().into_owned())));
    let request = client.upload(&ROUTE).query(&query).header(header::CONTENT_TYPE, "text/csv");
    client.json(request.body(Body::wrap_stream(input.stream))).await
}

/// Scores a file.
pub(super) async fn score(client: &Client, file: &Path) -> Result<Value, CliError> {
    let [v1, imports, route] = ROUTE;
    let request = client.upload(&[v1, imports, route, "score"]).header(header::CONTENT_TYPE, "text/csv");
    client.json(request.body(Body::wrap_stream(open(file).await?.stream))).await
}

struct Input {
    stream: BoxStream<'static, io::Result<Bytes>>,
    changed_at: Option<DateTime<Utc>>,
}

async fn open(path: &Path) -> Result<Input, CliError> {
    if path.as_os_str() == "-" {
        return Ok(Input { stream: standard_input().boxed(), changed_at: None });
    }
    let file = tokio::fs::File::open(path).await.with_context(|| format!("cannot open {}", path.display()))?;
    let metadata = file.metadata().await.with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_dir() {
        return Err(CliError::Usage(format!("{} is a folder: expected a file", path.display())));
    }
    let changed_at = metadata.modified().ok().map(DateTime::from);
    Ok(Input { stream: ReaderStream::with_capacity(file, CHUNK).boxed(), changed_at })
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
    quarantined_rows: Vec<Quarantined>,
    columns: BTreeMap<String, String>,
    fields: BTreeMap<String, BTreeMap<String, i64>>,
    unknown_statuses: BTreeMap<String, u64>,
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Quarantined {
    task_index: u64,
    reason: String,
}

/// The report for people.
pub(super) fn report_text(report: &Value) -> String {
    let Ok(report) = Report::deserialize(report) else {
        return report.to_string();
    };
    let mut lines = vec![format!(
        "{} rows: {} about documents that were there, {} documents new, {} rows about the same document as another; {} answers and {} predictions new; {} rows quarantined",
        report.rows,
        report.rows_matched,
        report.documents_created,
        report.rows_repeated,
        report.events_created,
        report.predictions_stored,
        report.quarantined
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
    let heading: Vec<&str> = ["column", "field"].into_iter().chain(STATUSES).collect();
    lines.push(String::new());
    lines.push(table(&heading, &STATUSES, &rows));
    lines.extend(report.quarantined_rows.iter().map(|row| format!("quarantined: row {}: {}", row.task_index, row.reason)));
    let listed = report.quarantined_rows.len() as u64;
    if listed < report.quarantined {
        lines.push(format!("quarantined: {} more", report.quarantined - listed));
    }
    lines.extend(
        report.unknown_statuses.iter().map(|(status, count)| format!("warning: status `{status}` means nothing here ({count} times)")),
    );
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}

#[derive(Deserialize)]
struct Score {
    unreadable: u64,
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

/// The figures for people.
pub(super) fn score_text(score: &Value) -> String {
    let Ok(score) = Score::deserialize(score) else {
        return score.to_string();
    };
    let share = |share: Option<f64>| share.map_or_else(|| "undefined".to_owned(), |share| format!("{share:.3}"));
    let row = |name: &str, figures: &FieldScore| {
        let FieldScore { rows, labelled, predicted, accuracy, coverage } = figures;
        vec![name.to_owned(), rows.to_string(), labelled.to_string(), predicted.to_string(), share(*accuracy), share(*coverage)]
    };
    let mut rows: Vec<Vec<String>> = score.fields.iter().map(|(name, figures)| row(name, figures)).collect();
    rows.push(row("(all fields)", &score.overall));
    let figures = ["rows", "labelled", "predicted", "accuracy", "coverage"];
    let heading: Vec<&str> = ["field"].into_iter().chain(figures).collect();
    let mut text = table(&heading, &figures, &rows);
    if score.unreadable > 0 {
        text.push_str(&format!("{} rows could not be read and were left out\n", score.unreadable));
    }
    text
}
