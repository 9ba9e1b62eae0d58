//! `aprendiz import`: streams a Label Studio export to the API.

use std::path::PathBuf;

use clap::Args;
use futures::TryStreamExt as _;
use reqwest::{Body, header};
use serde_json::Value;

use super::follow::follow;
use super::report::finish_import;
use super::upload::{FileInput, open_input};
use crate::cli::arguments::WaitArgs;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, byte_bar};

/// Arguments of `aprendiz import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz import export.json.gz
  zcat export.json.gz | aprendiz import - --project 7
  aprendiz import other.json.gz --source other       import the export of a second Label Studio
  aprendiz import export.json.gz --dry-run           show what would be imported
  aprendiz import export.json.gz --background        import in the background, and print the ID of the import
  aprendiz import export.json.gz --background -w     wait for it; Ctrl-C stops waiting, not the import
  aprendiz import export.json.gz --mirror            retract reviews that were deleted in Label Studio

Supported formats are JSON and JSON_MIN. Invalid tasks are quarantined and reported; all others are imported.
Known tasks with a wholly different text are quarantined as well: they are most likely tasks of another Label Studio.
Importing the same file again changes nothing. `aprendiz imports revert` takes an import back.")]
pub(crate) struct ImportArgs {
    /// Label Studio JSON export, plain or gzip-compressed; `-` for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Name of the source; a second Label Studio needs its own, because its task numbers are the same
    #[arg(long, value_name = "NAME", default_value = "label-studio")]
    source: String,
    /// Replace the texts of known tasks even if they have nothing in common with the stored ones
    #[arg(long)]
    replace_texts: bool,
    /// Show what would be imported without importing it
    #[arg(long, conflicts_with = "background")]
    dry_run: bool,
    /// Import every task into this project [default: project of the task]
    #[arg(long)]
    project: Option<String>,
    /// Key of `data` that contains the document text
    #[arg(long, value_name = "KEY", default_value = "text")]
    text_key: String,
    /// Retract reviews of annotations and tasks that are missing from the file; requires a complete export
    #[arg(long)]
    mirror: bool,
    /// Use only the ground-truth annotations of tasks that have any [default: the newest annotation is in effect]
    #[arg(long)]
    prefer_ground_truth: bool,
    /// Store the file on the server, import it in the background, and print the ID of the import; --wait waits for it
    #[arg(long)]
    background: bool,
    #[command(flatten)]
    wait: WaitArgs,
    /// Does nothing: it is the default
    #[arg(long, hide = true, conflicts_with = "wait")]
    no_wait: bool,
}

pub(crate) async fn run(client: &Client, args: &ImportArgs, output: Output) -> Result<(), CliError> {
    let mut query = vec![("source", args.source.clone()), ("text_key", args.text_key.clone())];
    query.extend(args.project.iter().map(|value| ("project", value.clone())));
    query.extend(args.replace_texts.then(|| ("replace_texts", "true".to_owned())));
    query.extend(args.dry_run.then(|| ("dry_run", "true".to_owned())));
    query.extend(args.mirror.then(|| ("mirror", "true".to_owned())));
    query.extend(args.prefer_ground_truth.then(|| ("ground_truth", "prefer".to_owned())));
    query.extend(args.background.then(|| ("background", "true".to_owned())));
    let FileInput { stream, length, file_name, .. } = open_input(&args.file).await?;
    query.extend(file_name.map(|name| ("file_name", name)));
    let bar = byte_bar(length);
    let progress = bar.clone();
    let stream = stream.inspect_ok(move |chunk| progress.inc(chunk.len() as u64));
    let mut request = client.upload(&["v1", "imports"]).query(&query).header(header::CONTENT_TYPE, "application/octet-stream");
    if let Some(length) = length {
        request = request.header(header::CONTENT_LENGTH, length);
    }
    let response: Value = client.json(request.body(Body::wrap_stream(stream))).await.inspect_err(|_| bar.abandon())?;
    bar.finish_and_clear();
    let report = match (args.background, args.wait.wait) {
        (false, _) => response,
        (true, false) => {
            let id = response["id"].as_str().unwrap_or("-");
            output.print_created(&response, id, || format!("import is queued; watch it with: aprendiz imports watch {id}"))?;
            return Ok(());
        }
        (true, true) => follow(client, &response).await?,
    };
    finish_import(&report, output)
}
