//! `aprendiz annotations export`: writes a complete file, or none.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::json;

use crate::cli::annotations::export_download::ExportDownload;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::http::download::create_staged;
use crate::cli::terminal::{Output, byte_bar, human_bytes};

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
    pub(super) format: Format,
    /// Output file, which must not exist; `-` for standard output
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    pub(super) to: PathBuf,
    /// Filter by document source
    #[arg(long)]
    pub(super) source: Option<String>,
    /// Filter by project
    #[arg(long)]
    pub(super) project: Option<String>,
    /// Fields to export, comma-separated (default: all)
    #[arg(long)]
    pub(super) fields: Option<String>,
    /// Export the state at a position or time, such as 2026-11-21T08:00:00Z
    #[arg(long, value_name = "POSITION|TIME")]
    pub(super) as_of: Option<String>,
    /// Resume after this row of an earlier export: DOCUMENT_ID/FIELD, or DOCUMENT_ID for tasks
    #[arg(long, value_name = "ROW", requires = "as_of")]
    pub(super) after: Option<String>,
    /// Maximum number of rows or tasks
    #[arg(long)]
    pub(super) limit: Option<u64>,
}

/// File format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
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
    pub(super) const fn name(self) -> &'static str {
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
