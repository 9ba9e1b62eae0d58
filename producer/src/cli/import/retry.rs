//! `aprendiz imports retry`.

use clap::Args;
use reqwest::Method;

use super::report::finish_import;
use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aprendiz imports retry @latest --text-key contract_text")]
pub(crate) struct RetryArgs {
    /// Import ID
    id: IdArg,
    /// Import every task into this project [default: project of the task]
    #[arg(long)]
    project: Option<String>,
    /// Import into this source [default: source of the import]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Show what would be imported without importing it
    #[arg(long)]
    dry_run: bool,
    /// Key of `data` that contains the document text
    #[arg(long, value_name = "KEY", default_value = "text")]
    text_key: String,
}

pub(super) async fn run(client: &Client, args: &RetryArgs, output: Output) -> Result<(), CliError> {
    let id = args.id.resolve(client, IdKind::Import).await?.to_string();
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(args.project.iter().map(|value| ("project", value.clone())));
    query.extend(args.source.iter().map(|value| ("source", value.clone())));
    query.extend(args.dry_run.then(|| ("dry_run", "true".to_owned())));
    query.push(("text_key", args.text_key.clone()));
    let request = client.long_request(Method::POST, &["v1", "imports", &id, "retry"]).query(&query);
    finish_import(&client.json(request).await?, output)
}
