//! `aprendiz document create`.

use std::path::PathBuf;

use anyhow::Context as _;
use aprendiz_annotations::documents::Metadata;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

/// Arguments of `aprendiz document create`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz document create contract.txt --project contracts --task 302
  aprendiz document create contract.txt --project contracts --task 302 --metadata '{\"pages\": 3}'
  pdftotext contract.pdf - | aprendiz document create - --project contracts --task 302 --file-name contract.pdf")]
pub(crate) struct CreateArgs {
    /// UTF-8 text file; `-` for standard input
    file: PathBuf,
    /// Project of the document
    #[arg(long)]
    project: String,
    /// Task ID of the document within the project
    #[arg(long, value_name = "ID")]
    task: String,
    /// Source of the document
    #[arg(long, default_value = "api")]
    source: String,
    /// Original file name [default: name of FILE]
    #[arg(long, value_name = "NAME")]
    file_name: Option<String>,
    /// Metadata as a JSON object
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

/// The request, with the metadata as JSON text, which keeps all digits.
#[derive(Debug, Serialize)]
struct Body<'a> {
    source: &'a str,
    project: &'a str,
    task_id: &'a str,
    text: &'a str,
    metadata: Metadata,
    file_name: Option<String>,
}

pub(super) async fn run(client: &Client, args: &CreateArgs, output: Output) -> Result<(), CliError> {
    let metadata: Metadata = match &args.metadata {
        None => Metadata::default(),
        Some(metadata) => serde_json::from_str(metadata)
            .map_err(|error| CliError::Usage(format!("invalid --metadata, expected a JSON object: {error}")))?,
    };
    let is_stdin = args.file.as_os_str() == "-";
    let text = if is_stdin { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(&args.file) };
    let text = text.with_context(|| format!("cannot read {} as UTF-8 text", args.file.display()))?;
    let default_name = || if is_stdin { None } else { args.file.file_name().map(|name| name.to_string_lossy().into_owned()) };
    let body = Body {
        source: &args.source,
        project: &args.project,
        task_id: &args.task,
        text: &text,
        metadata,
        file_name: args.file_name.clone().or_else(default_name),
    };
    // as JSON it is printed as it came, with all digits of the metadata
    let response: Box<RawValue> = client.json(client.upload(&["v1", "documents"]).json(&body)).await?;
    let document: Value = serde_json::from_str(response.get()).context("unexpected response")?;
    output.print_created(&response, document["id"].as_str().unwrap_or("-"), || {
        let string = |key: &str| document[key].as_str().unwrap_or("-").to_owned();
        let mut shown =
            format!("created {}/{}/{} in the {} split", string("source"), string("project"), string("task_id"), string("split"));
        for warning in document["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            shown.push_str("\nwarning: ");
            shown.push_str(warning);
        }
        shown
    })?;
    Ok(())
}
