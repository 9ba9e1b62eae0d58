//! Writes an export to a file or to standard output. JSON lines go on after the last whole line when the connection breaks.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, human_bytes};

/// Times that a broken answer is asked for again, each after a moment.
const REPETITIONS: u32 = 5;
const POSITION_HEADER: &str = "aprendiz-position";

/// What to export.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz annotations export --to annotations.jsonl                    every field of every document, with its history
  aprendiz annotations export --format parquet --to annotations.parquet
  aprendiz annotations export --format label-studio --project 7 --to tasks.json
  aprendiz annotations export --fields governing_law | jq .accepted_value

Label Studio's formats hold documents of the source label-studio unless --source names another.")]
pub(crate) struct ExportArgs {
    /// Form of the file
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// File to write; it must not be there. `-` for standard output
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    to: PathBuf,
    /// Only documents of this source
    #[arg(long)]
    source: Option<String>,
    /// Only documents of this project
    #[arg(long)]
    project: Option<String>,
    /// Only these fields, with commas between them
    #[arg(long)]
    fields: Option<String>,
    /// As things were at a position or a time, for example 2026-11-21T08:00:00Z
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Go on after this row of an earlier export: DOCUMENT_ID/FIELD or, for tasks, DOCUMENT_ID
    #[arg(long, value_name = "PLACE", requires = "as_of")]
    after: Option<String>,
    /// At most so many rows or tasks
    #[arg(long)]
    limit: Option<u64>,
}

/// Form of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line per field of a document, with its history
    Jsonl,
    /// The same as Parquet
    Parquet,
    /// Tasks with annotations and predictions
    LabelStudio,
    /// Tasks with predictions only, to label with their help
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
        let mut copy = Copy::new(args, Box::new(io::stdout().lock()), bar);
        return match copy.all(client).await {
            // a reader that has gone away, such as `head`, is no error
            Err(CliError::Failed(error)) if is_broken_pipe(&error) => Ok(()),
            other => other,
        };
    }
    if args.to.try_exists().with_context(|| format!("cannot look at {}", args.to.display()))? {
        return Err(CliError::Usage(format!("{} is there already: choose another name, or remove it", args.to.display())));
    }
    let staged = staged_beside(&args.to)?;
    let mut copy = Copy::new(args, Box::new(staged.as_file().try_clone()?), bar());
    copy.all(client).await?;
    let (bytes, lines, position) = (copy.bytes, copy.lines, copy.position.clone());
    copy.bar.finish_and_clear();
    drop(copy);
    staged.as_file().sync_all().with_context(|| format!("cannot write {}", args.to.display()))?;
    staged.persist_noclobber(&args.to).map_err(|error| error.error).with_context(|| format!("cannot write {}", args.to.display()))?;
    let shown = json!({ "path": args.to, "bytes": bytes, "position": position.as_deref().and_then(|text| text.parse::<i64>().ok()) });
    output.print(&shown, || {
        let rows = if args.format == Format::Jsonl { format!("{lines} rows, ") } else { String::new() };
        format!("{rows}{} in {}, as of position {}", human_bytes(bytes), args.to.display(), position.as_deref().unwrap_or("-"))
    })?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn staged_beside(target: &Path) -> anyhow::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // the usual rights of a new file, less what the umask takes
    builder.prefix(".aprendiz-").permissions(std::fs::Permissions::from_mode(0o666));
    builder.tempfile_in(folder).with_context(|| format!("cannot write into {}", folder.display()))
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    match ProgressStyle::with_template("{spinner} {bytes}  {bytes_per_sec}  {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Copies answers to the target.
struct Copy<'a> {
    args: &'a ExportArgs,
    to: Box<dyn Write + 'a>,
    bar: ProgressBar,
    bytes: u64,
    lines: u64,
    /// Of the first answer: those that go on are as of the same one.
    position: Option<String>,
    /// The last whole line, without its end.
    last: Vec<u8>,
    /// A line that has begun.
    begun: Vec<u8>,
}

/// Why an answer ended too early.
enum Broken {
    /// Asking again may help.
    Connection(CliError),
    Final(CliError),
}

impl<'a> Copy<'a> {
    fn new(args: &'a ExportArgs, to: Box<dyn Write + 'a>, bar: ProgressBar) -> Self {
        Self { args, to, bar, bytes: 0, lines: 0, position: None, last: Vec::new(), begun: Vec::new() }
    }

    async fn all(&mut self, client: &Client) -> Result<(), CliError> {
        let mut repetitions = 0;
        loop {
            let before = self.lines;
            match self.once(client).await {
                Ok(()) => {
                    self.to.flush()?;
                    return Ok(());
                }
                Err(Broken::Connection(_)) if self.args.format == Format::Jsonl && self.position.is_some() && repetitions < REPETITIONS => {
                    repetitions = if self.lines > before { 1 } else { repetitions + 1 };
                    tokio::time::sleep(Duration::from_millis(200 << repetitions)).await;
                }
                Err(Broken::Connection(error) | Broken::Final(error)) => return Err(error),
            }
        }
    }

    async fn once(&mut self, client: &Client) -> Result<(), Broken> {
        // half a line comes again
        self.begun.clear();
        let request = client.request(Method::GET, &["v1", "annotations", "export"]).query(&self.query().map_err(Broken::Final)?);
        let answer = client.send(request).await.map_err(|error| match error {
            CliError::Unreachable(_) => Broken::Connection(error),
            other => Broken::Final(other),
        })?;
        if self.position.is_none() {
            self.position = answer.headers().get(POSITION_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        }
        let mut stream = answer.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| Broken::Connection(client.explain(&error)))?;
            self.take(&chunk).map_err(|error| Broken::Final(CliError::Failed(error.into())))?;
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
        if self.last.is_empty() {
            query.extend(args.after.iter().map(|after| ("after", after.clone())));
        } else {
            query.push(("after", place_of(&self.last)?));
        }
        query.extend(args.limit.map(|limit| ("limit", limit.saturating_sub(self.lines).to_string())));
        Ok(query)
    }

    /// Lines are written whole, so that what is there can be gone on with.
    fn take(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.bar.inc(chunk.len() as u64);
        if self.args.format != Format::Jsonl {
            self.bytes += chunk.len() as u64;
            return self.to.write_all(chunk);
        }
        let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
            self.begun.extend_from_slice(chunk);
            return Ok(());
        };
        let (whole, rest) = chunk.split_at(end + 1);
        self.begun.extend_from_slice(whole);
        self.to.write_all(&self.begun)?;
        self.bytes += self.begun.len() as u64;
        self.lines += self.begun.iter().filter(|byte| **byte == b'\n').count() as u64;
        let line = &self.begun[..self.begun.len() - 1];
        let start = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.last = line[start..].to_vec();
        self.begun.clear();
        self.begun.extend_from_slice(rest);
        Ok(())
    }
}

/// The place that a line names.
fn place_of(line: &[u8]) -> Result<String, CliError> {
    #[derive(Deserialize)]
    struct Place {
        document_id: String,
        field: String,
    }
    let place: Place = serde_json::from_slice(line).map_err(|error| CliError::Failed(anyhow!("the API sent a broken line: {error}")))?;
    Ok(format!("{}/{}", place.document_id, place.field))
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
    fn an_export_goes_on_after_its_last_whole_line() {
        let args = args();
        let mut written = Vec::new();
        let mut copy = Copy::new(&args, Box::new(&mut written), ProgressBar::hidden());
        copy.position = Some("17".to_owned());
        copy.take(b"{\"document_id\":\"a\",\"field\":\"x\"}\n{\"document_id\":\"b\",\"fi").unwrap();
        copy.take(b"eld\":\"y\"}\n{\"docu").unwrap();
        let query = copy.query().unwrap_or_else(|_| panic!("a good line"));
        assert!(query.contains(&("after", "b/y".to_owned())) && query.contains(&("as_of", "17".to_owned())), "{query:?}");
        assert!(query.contains(&("limit", "8".to_owned())), "{query:?}");
        drop(copy);
        assert!(written.ends_with(b"\"y\"}\n"), "half a line is not written");
    }
}
