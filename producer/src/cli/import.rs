//! `aprendiz import`: sends a Label Studio export to the API, as a stream.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Body, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, human_bytes, table};

/// Bytes sent at once.
const CHUNK: usize = 256 * 1024;
/// How often to ask how far an import in the background is.
const LOOK: Duration = Duration::from_millis(500);

/// Review statuses, as the report names them.
pub(crate) const STATUSES: [&str; 6] = ["OK", "CORRECTED", "NEW", "REJECTED", "MISSING", "UNREVIEWED"];

/// What to import.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz import export.json.gz
  zcat export.json.gz | aprendiz import - --project 7
  aprendiz import export.json.gz --background        follow it, and leave it with Ctrl-C: it goes on
  aprendiz import export.json.gz --mirror            take back reviews that were deleted in Label Studio

JSON and JSON_MIN are read. Bad tasks are quarantined and listed, the rest goes in. The same file twice changes nothing.")]
pub(crate) struct ImportArgs {
    /// A Label Studio JSON export, plain or gzip; `-` for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Put every task into this project, whatever the task says
    #[arg(long)]
    project: Option<String>,
    /// Key of `data` that holds the text
    #[arg(long, value_name = "KEY")]
    text_key: Option<String>,
    /// Withdraw what the file does not have any more: reviews of deleted annotations and of deleted tasks. For whole exports only
    #[arg(long)]
    mirror: bool,
    /// In tasks that have ground truth, take nothing else. By default the newest annotation wins
    #[arg(long)]
    prefer_ground_truth: bool,
    /// Let the server store the file first and import it then; this command follows it
    #[arg(long)]
    background: bool,
    /// With --background: print the id and do not follow it
    #[arg(long, requires = "background")]
    no_wait: bool,
}

#[derive(Deserialize)]
struct Report {
    bytes: u64,
    tasks: u64,
    documents_created: u64,
    documents_updated: u64,
    documents_unchanged: u64,
    events_created: u64,
    quarantined: u64,
    quarantined_tasks: Vec<Quarantined>,
    import_id: String,
    #[serde(default)]
    reviews_withdrawn: u64,
    #[serde(default)]
    unknown_controls: std::collections::BTreeMap<String, u64>,
    #[serde(default)]
    unknown_keys: std::collections::BTreeMap<String, u64>,
    fields: std::collections::BTreeMap<String, std::collections::BTreeMap<String, i64>>,
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Quarantined {
    task_index: u64,
    task_id: Option<String>,
    reason: String,
}

pub(crate) async fn run(client: &Client, args: &ImportArgs, output: Output) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(args.project.iter().map(|value| ("project", value.clone())));
    query.extend(args.text_key.iter().map(|value| ("text_key", value.clone())));
    query.extend(args.mirror.then(|| ("mirror", "true".to_owned())));
    query.extend(args.prefer_ground_truth.then(|| ("ground_truth", "prefer".to_owned())));
    query.extend(args.background.then(|| ("background", "true".to_owned())));
    let (input, length): (BoxStream<'static, io::Result<Bytes>>, Option<u64>) = if args.file.as_os_str() == "-" {
        (standard_input().boxed(), None)
    } else {
        let file = tokio::fs::File::open(&args.file).await.with_context(|| format!("cannot open {}", args.file.display()))?;
        let metadata = file.metadata().await.with_context(|| format!("cannot read {}", args.file.display()))?;
        if metadata.is_dir() {
            return Err(CliError::Usage(format!("{} is a folder: expected a file", args.file.display())));
        }
        let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
        query.extend(name.map(|name| ("file_name", name)));
        (ReaderStream::with_capacity(file, CHUNK).boxed(), metadata.is_file().then_some(metadata.len()))
    };
    let bar = bar(length);
    let moving = bar.clone();
    let stream = input.inspect_ok(move |chunk| moving.inc(chunk.len() as u64));
    let mut request = client.upload(&["v1", "imports"]).query(&query).header(header::CONTENT_TYPE, "application/octet-stream");
    if let Some(length) = length {
        request = request.header(header::CONTENT_LENGTH, length);
    }
    let answer: Value = client.json(request.body(Body::wrap_stream(stream))).await.inspect_err(|_| bar.abandon())?;
    bar.finish_and_clear();
    let report = match (args.background, args.no_wait) {
        (false, _) => answer,
        (true, true) => {
            output.print(&answer, || {
                format!("import {} is stored: aprendiz imports watch {}", answer["id"], answer["id"]).replace('"', "")
            })?;
            return Ok(());
        }
        (true, false) => follow(client, &answer).await?,
    };
    print_report(&report, output)
}

/// Prints the report of an import.
pub(crate) fn print_report(report: &Value, output: Output) -> Result<(), CliError> {
    let view = Report::deserialize(report).context("the API answered a report that is not from this version of Aprendiz")?;
    output.print(report, || text(&view))?;
    Ok(())
}

/// Waits for an import in the background; returns its report.
pub(crate) async fn follow(client: &Client, import: &Value) -> Result<Value, CliError> {
    let id = import["id"].as_str().context("the API answered an import without id")?.to_owned();
    let moving = bar(import["bytes"].as_u64());
    loop {
        let mut now = client.get(&["v1", "imports", &id]).await?;
        moving.set_position(now["bytes_read"].as_u64().unwrap_or_default());
        if now["stage"] == "storing" {
            moving.set_message("storing");
        }
        match now["status"].as_str() {
            Some("succeeded") => {
                moving.finish_and_clear();
                return Ok(now["report"].take());
            }
            Some("failed") => {
                moving.abandon();
                return Err(CliError::Refused(format!(
                    "{} ({})",
                    now["error"].as_str().unwrap_or("it failed"),
                    now["error_code"].as_str().unwrap_or("unknown")
                )));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Standard input, read by a thread that may block for ever.
pub(crate) fn standard_input() -> ReceiverStream<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = match input.read(&mut chunk) {
                Ok(0) => return,
                Ok(count) => {
                    chunk.truncate(count);
                    Ok(Bytes::from(chunk))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Shown on a terminal only.
fn bar(length: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{spinner} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  eta {eta}  {msg}"),
        None => (ProgressBar::no_length(), "{spinner} {bytes}  {bytes_per_sec}  {elapsed}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn text(report: &Report) -> String {
    let mut lines = vec![format!(
        "{} tasks in {}: {} documents new, {} changed, {} unchanged; {} answers new; {} tasks quarantined",
        report.tasks,
        human_bytes(report.bytes),
        report.documents_created,
        report.documents_updated,
        report.documents_unchanged,
        report.events_created,
        report.quarantined
    )];
    // a file that changes nothing has nothing to count
    if report.documents_created + report.documents_updated + report.events_created > 0 && !report.fields.is_empty() {
        let rows: Vec<Vec<String>> = report
            .fields
            .iter()
            .map(|(field, counts)| {
                let cells = STATUSES.iter().map(|status| counts.get(*status).copied().unwrap_or(0).to_string());
                std::iter::once(field.clone()).chain(cells).collect()
            })
            .collect();
        let heading: Vec<&str> = std::iter::once("field").chain(STATUSES).collect();
        lines.push(String::new());
        lines.push(table(&heading, &STATUSES, &rows));
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
        lines.push(format!("to repair them: aprendiz imports quarantine {} --tasks FILE, then import that file", report.import_id));
    }
    if report.reviews_withdrawn > 0 {
        lines.push(format!("withdrawn: {} answers whose annotations are not in the file", report.reviews_withdrawn));
    }
    lines.extend(report.unknown_controls.iter().map(|(control, items)| format!("not read: {items} items of type {control}")));
    lines.extend(report.unknown_keys.iter().map(|(key, times)| format!("not read: {key}, {times} times")));
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}
