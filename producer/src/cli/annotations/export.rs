//! `aprendiz annotations export`: JSON lines resume after the last complete line if the connection breaks.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use indicatif::ProgressBar;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::http::download::create_staged;
use crate::cli::terminal::{Output, byte_bar, human_bytes};

/// Consecutive attempts to resume without progress.
const MAX_RETRIES: u32 = 5;
const POSITION_HEADER: &str = "aprendiz-position";

/// Arguments of `aprendiz annotations export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz annotations export --to annotations.jsonl                    all fields of all documents, with history
  aprendiz annotations export --format parquet --to annotations.parquet
  aprendiz annotations export --format label-studio --project 7 --to tasks.json
  aprendiz annotations export --fields governing_law | jq .accepted_value

The Label Studio formats export documents of the source label-studio unless --source is set.")]
pub(crate) struct ExportArgs {
    /// File format
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Output file, which must not exist; `-` for standard output
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    to: PathBuf,
    /// Filter by document source
    #[arg(long)]
    source: Option<String>,
    /// Filter by project
    #[arg(long)]
    project: Option<String>,
    /// Fields to export, comma-separated (default: all)
    #[arg(long)]
    fields: Option<String>,
    /// Export the state at a position or time, such as 2026-11-21T08:00:00Z
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Resume after this row of an earlier export: DOCUMENT_ID/FIELD, or DOCUMENT_ID for tasks
    #[arg(long, value_name = "ROW", requires = "as_of")]
    after: Option<String>,
    /// Maximum number of rows or tasks
    #[arg(long)]
    limit: Option<u64>,
}

/// File format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON lines: one line per document field, with its history
    Jsonl,
    /// Parquet: one row per document field, with its history
    Parquet,
    /// Label Studio tasks with annotations and predictions
    LabelStudio,
    /// Label Studio tasks with predictions only, for pre-annotation
    LabelStudioPredictions,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::LabelStudio => "label-studio",
            Self::LabelStudioPredictions => "label-studio-predictions",
        }
    }
}

pub(super) async fn run(client: &Client, args: &ExportArgs, output: Output) -> Result<(), CliError> {
    if args.to.as_os_str() == "-" {
        let bar = ProgressBar::hidden();
        let mut download = ExportDownload::new(args, Box::new(io::stdout().lock()), bar);
        return match download.run(client).await {
            // a closed pipe, such as that of `head`, is not an error
            Err(CliError::Failed(error)) if is_broken_pipe(&error) => Ok(()),
            other => other,
        };
    }
    if args.to.try_exists().with_context(|| format!("cannot access {}", args.to.display()))? {
        return Err(CliError::Usage(format!("{} already exists: choose another name, or remove it", args.to.display())));
    }
    let directory = args.to.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staged = create_staged(directory)?;
    let mut download = ExportDownload::new(args, Box::new(staged.as_file().try_clone()?), byte_bar(None));
    download.run(client).await?;
    let (bytes, lines, position) = (download.bytes, download.lines, download.position.clone());
    download.bar.finish_and_clear();
    drop(download);
    staged.as_file().sync_all().with_context(|| format!("cannot write {}", args.to.display()))?;
    staged.persist_noclobber(&args.to).map_err(|error| error.error).with_context(|| format!("cannot write {}", args.to.display()))?;
    let summary = json!({ "path": args.to, "bytes": bytes, "position": position.as_deref().and_then(|text| text.parse::<i64>().ok()) });
    output.print(&summary, || {
        let rows = if args.format == Format::Jsonl { format!("{lines} rows, ") } else { String::new() };
        format!("exported {rows}{} to {}, as of position {}", human_bytes(bytes), args.to.display(), position.as_deref().unwrap_or("-"))
    })?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// An export in progress.
struct ExportDownload<'a> {
    args: &'a ExportArgs,
    to: Box<dyn Write + 'a>,
    bar: ProgressBar,
    bytes: u64,
    lines: u64,
    /// Position of the first response; resumed requests use the same one.
    position: Option<String>,
    /// The last complete line, without its newline.
    last_line: Vec<u8>,
    /// The beginning of an incomplete line.
    partial_line: Vec<u8>,
}

/// Why a response could not be read completely.
enum Interruption {
    /// The connection broke; a new request may succeed.
    Connection(CliError),
    Permanent(CliError),
}

impl<'a> ExportDownload<'a> {
    fn new(args: &'a ExportArgs, to: Box<dyn Write + 'a>, bar: ProgressBar) -> Self {
        Self { args, to, bar, bytes: 0, lines: 0, position: None, last_line: Vec::new(), partial_line: Vec::new() }
    }

    async fn run(&mut self, client: &Client) -> Result<(), CliError> {
        let mut retries = 0;
        loop {
            let before = self.lines;
            match self.attempt(client).await {
                Ok(()) => {
                    self.to.flush()?;
                    return Ok(());
                }
                Err(Interruption::Connection(_))
                    if self.args.format == Format::Jsonl && self.position.is_some() && retries < MAX_RETRIES =>
                {
                    retries = if self.lines > before { 1 } else { retries + 1 };
                    tokio::time::sleep(Duration::from_millis(200 << retries)).await;
                }
                Err(Interruption::Connection(error) | Interruption::Permanent(error)) => return Err(error),
            }
        }
    }

    async fn attempt(&mut self, client: &Client) -> Result<(), Interruption> {
        // an incomplete line is sent again
        self.partial_line.clear();
        let request = client.request(Method::GET, &["v1", "annotations", "export"]).query(&self.query().map_err(Interruption::Permanent)?);
        let response = client.send(request).await.map_err(|error| match error {
            CliError::Unreachable(_) => Interruption::Connection(error),
            other => Interruption::Permanent(other),
        })?;
        if self.position.is_none() {
            self.position = response.headers().get(POSITION_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        }
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| Interruption::Connection(client.connection_error(&error)))?;
            self.write_chunk(&chunk).map_err(|error| Interruption::Permanent(CliError::Failed(error.into())))?;
        }
        Ok(())
    }

    fn query(&self) -> Result<Vec<(&'static str, String)>, CliError> {
        let args = self.args;
        let mut query = vec![("format", args.format.name().to_owned())];
        for (key, value) in [("source", &args.source), ("project", &args.project), ("fields", &args.fields)] {
            query.extend(value.iter().map(|value| (key, value.clone())));
        }
        query.extend(self.position.as_ref().or(args.as_of.as_ref()).map(|as_of| ("as_of", as_of.clone())));
        if self.last_line.is_empty() {
            query.extend(args.after.iter().map(|after| ("after", after.clone())));
        } else {
            query.push(("after", row_cursor(&self.last_line)?));
        }
        query.extend(args.limit.map(|limit| ("limit", limit.saturating_sub(self.lines).to_string())));
        Ok(query)
    }

    /// Writes complete lines only, so that the export can resume after the last one.
    fn write_chunk(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.bar.inc(chunk.len() as u64);
        if self.args.format != Format::Jsonl {
            self.bytes += chunk.len() as u64;
            return self.to.write_all(chunk);
        }
        let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
            self.partial_line.extend_from_slice(chunk);
            return Ok(());
        };
        let (complete, rest) = chunk.split_at(end + 1);
        self.partial_line.extend_from_slice(complete);
        self.to.write_all(&self.partial_line)?;
        self.bytes += self.partial_line.len() as u64;
        self.lines += self.partial_line.iter().filter(|byte| **byte == b'\n').count() as u64;
        let line = &self.partial_line[..self.partial_line.len() - 1];
        let start = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.last_line = line[start..].to_vec();
        self.partial_line.clear();
        self.partial_line.extend_from_slice(rest);
        Ok(())
    }
}

/// The cursor of the row on a line.
fn row_cursor(line: &[u8]) -> Result<String, CliError> {
    #[derive(Deserialize)]
    struct Row {
        document_id: String,
        field: String,
    }
    let row: Row = serde_json::from_slice(line).map_err(|error| CliError::Failed(anyhow!("the API sent an invalid line: {error}")))?;
    Ok(format!("{}/{}", row.document_id, row.field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ExportArgs {
        ExportArgs {
            format: Format::Jsonl,
            to: "-".into(),
            source: None,
            project: None,
            fields: None,
            as_of: None,
            after: None,
            limit: Some(10),
        }
    }

    #[test]
    fn exports_resume_after_the_last_complete_line() {
        let args = args();
        let mut written = Vec::new();
        let mut download = ExportDownload::new(&args, Box::new(&mut written), ProgressBar::hidden());
        download.position = Some("17".to_owned());
        download.write_chunk(b"{\"document_id\":\"a\",\"field\":\"x\"}\n{\"document_id\":\"b\",\"fi").unwrap();
        download.write_chunk(b"eld\":\"y\"}\n{\"docu").unwrap();
        let query = download.query().unwrap_or_else(|_| panic!("the last line is valid"));
        assert!(query.contains(&("after", "b/y".to_owned())) && query.contains(&("as_of", "17".to_owned())), "{query:?}");
        assert!(query.contains(&("limit", "8".to_owned())), "{query:?}");
        drop(download);
        assert!(written.ends_with(b"\"y\"}\n"), "an incomplete line is not written");
    }
}
