//! `aprendiz embed`: texts in, vectors out. Fetches a published encoder once and hands the work to `aprendiz-worker embed`: this binary links
//! no Burn, and the texts need not go through the API.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::anyhow;
use clap::Args;
use environment::Environment;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::model::{download_into, find};
use crate::config::cache_dir;

/// The program that computes.
const WORKER: &str = "aprendiz-worker";

/// What to embed with what.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line of the input is a JSON object with `text`; the same line comes out with `embedding` in the place of `text`, in the same order.
With --plain each line is a text, and `line` says its number.

  aprendiz embed --model contracts-encoder texts.jsonl > vectors.jsonl
  printf 'governed by the laws of Texas\\n' | aprendiz embed --model contracts-encoder --plain -

It is computed on this machine, by aprendiz-worker; the version is fetched once and kept in APRENDIZ_MODEL_CACHE_DIR.")]
pub(crate) struct EmbedArgs {
    /// Name of the encoder
    #[arg(long)]
    model: String,
    /// Number of the version; default: the newest
    #[arg(long)]
    number: Option<i32>,
    /// Texts that are computed together
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Longest text in word pieces; the rest of a longer one is not read; default: as the model says
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,
    /// Each line is a text, not a JSON object
    #[arg(long)]
    plain: bool,
    /// The program aprendiz-worker; default: the one beside this program, or on PATH
    #[arg(long, value_name = "PATH")]
    worker: Option<PathBuf>,
    /// JSON lines, or texts; `-` for standard input
    #[arg(value_name = "FILE|-", default_value = "-")]
    file: PathBuf,
}

/// Returns only when it fails: otherwise this process becomes the one that computes.
pub(crate) async fn run(client: &Client, args: &EmbedArgs) -> Result<(), CliError> {
    let version = find(client, &args.model, args.number).await?;
    if version.card["kind"] != "sentence-transformer" {
        let kind = version.card["kind"].as_str().unwrap_or("another kind");
        let text = format!("{} version {} is of kind {kind} and has no vectors: `aprendiz predict` asks it", version.model, version.number);
        return Err(CliError::Refused(text));
    }
    let dir = cache_dir(&Environment::process()).join(&version.manifest_sha256);
    download_into(client, &version, &dir).await?;
    let worker = args.worker.clone().unwrap_or_else(worker);
    let mut command = Command::new(&worker);
    command.arg("embed").arg("--model").arg(&dir).arg("--batch").arg(args.batch.to_string());
    if let Some(length) = args.max_length {
        command.arg("--max-length").arg(length.to_string());
    }
    if args.plain {
        command.arg("--plain");
    }
    let error = command.arg("--").arg(&args.file).env_remove("APRENDIZ_API_KEY").exec();
    Err(CliError::Failed(anyhow!("cannot start {}: {error}: install it beside this program, or name it with --worker", worker.display())))
}

/// The worker beside this program, or whichever is on PATH.
fn worker() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(WORKER));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(WORKER))
}
