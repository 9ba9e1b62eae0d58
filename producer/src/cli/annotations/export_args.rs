//! Arguments of `aprendiz annotations export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `aprendiz annotations export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz annotations export --to annotations.jsonl                    all fields of all documents, with history
  aprendiz annotations export --format parquet --to annotations.parquet
  aprendiz annotations export --format label-studio --project 7 --to tasks.json
  aprendiz annotations export --format label-studio-predictions --extractor contracts@3 --to tasks.json
  aprendiz annotations export --fields governing_law | jq .accepted_value

A Label Studio file has the tasks of one source: with documents of several sources, --source is required.")]
pub(crate) struct ExportArgs {
    /// File format
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub(super) format: Format,
    /// Output file; `-` for standard output
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    pub(super) to: PathBuf,
    /// Overwrite the output file
    #[arg(long)]
    pub(super) force: bool,
    /// Filter by document source
    #[arg(long)]
    pub(super) source: Option<String>,
    /// Export archived documents as well
    #[arg(long)]
    pub(super) archived: bool,
    /// Filter by project
    #[arg(long)]
    pub(super) project: Option<String>,
    /// Fields to export, comma-separated [default: all]
    #[arg(long)]
    pub(super) fields: Option<String>,
    /// Only predictions of this extractor version, or published model version (NAME@NUMBER) [default: all]
    #[arg(long, value_name = "VERSION")]
    pub(super) extractor: Option<String>,
    /// Export the state at a position or time, such as 2026-11-21T08:00:00Z
    #[arg(long, value_name = "POSITION|TIME")]
    pub(super) as_of: Option<String>,
    /// Resume after this row of an earlier export: DOCUMENT_ID/FIELD, or DOCUMENT_ID for tasks
    #[arg(long, value_name = "ROW", requires = "as_of")]
    pub(super) after: Option<String>,
    /// Maximum number of rows or tasks
    #[arg(short = 'n', long, value_name = "N")]
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
