//! `aprendiz embed`: downloads a published encoder and runs `aprendiz-worker embed`, because this binary does not link Burn.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::anyhow;
use aprendiz_config::Environment;
use clap::Args;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::model::version::{download_version, find_version};
use crate::config::cache_dir;
use crate::worker_program::find_worker;

/// Arguments of `aprendiz embed`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each input line is a JSON object with the key `text`. The output has the same lines in the same order, with `embedding` in place of `text`.
With --plain, each input line is a text, and the output has its number in `line`.

Examples:
  aprendiz embed --model contracts-encoder texts.jsonl > vectors.jsonl
  printf 'governed by the laws of Texas\\n' | aprendiz embed --model contracts-encoder --plain -

Embeddings are computed locally by aprendiz-worker. The model version is downloaded once to APRENDIZ_MODEL_CACHE_DIR.")]
pub(crate) struct EmbedArgs {
    /// Model name of the encoder
    #[arg(long)]
    model: String,
    /// Version number [default: newest]
    #[arg(long)]
    number: Option<i32>,
    /// Batch size
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Maximum number of tokens per text, at most that of the model; longer texts are truncated [default: limit of the model]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(3..))]
    max_length: Option<u16>,
    /// Read one text per line instead of JSON lines
    #[arg(long)]
    plain: bool,
    /// Path of aprendiz-worker [default: next to this program, else from PATH]
    #[arg(long, value_name = "PATH")]
    worker: Option<PathBuf>,
    /// Input file; `-` for standard input
    #[arg(value_name = "FILE|-", default_value = "-")]
    file: PathBuf,
}

/// Returns only on failure: on success, this process is replaced by the worker.
pub(crate) async fn run(client: &Client, args: &EmbedArgs) -> Result<(), CliError> {
    let version = find_version(client, &args.model, args.number).await?;
    if version.card["kind"] != "sentence-transformer" {
        let kind = version.card["kind"].as_str().unwrap_or("unknown");
        let text =
            format!("{} version {} has the kind {kind}, which has no embeddings: use `aprendiz predict`", version.model, version.number);
        return Err(CliError::Refused(text));
    }
    let dir = cache_dir(&Environment::process()).join(&version.manifest_sha256);
    download_version(client, &version, &dir, false).await?;
    let worker = args.worker.clone().unwrap_or_else(find_worker);
    let mut command = Command::new(&worker);
    command.arg("embed").arg("--model").arg(&dir).arg("--batch").arg(args.batch.to_string());
    if let Some(length) = args.max_length {
        command.arg("--max-length").arg(length.to_string());
    }
    if args.plain {
        command.arg("--plain");
    }
    let error = command.arg("--").arg(&args.file).env_remove("APRENDIZ_API_KEY").exec();
    Err(CliError::Failed(anyhow!("cannot start {}: {error}: install it next to this program, or set --worker", worker.display())))
}
