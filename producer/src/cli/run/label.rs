//! `aprendiz run tag` and `aprendiz run note`.

use clap::Args;

use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::tags::{change_note, change_tags};
use crate::cli::terminal::Output;

/// Arguments of `aprendiz run tag`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz run tag 01a1fd0a-322b-77a3-a61c-68ecd237a2dc stage=candidate dataset=spring
  aprendiz run tag 01a1fd0a-322b-77a3-a61c-68ecd237a2dc stage-        remove the tag `stage`
  aprendiz run list --tag stage=candidate")]
pub(crate) struct TagArgs {
    /// Run ID
    id: IdArg,
    /// KEY=VALUE to set a tag, KEY- to remove it
    #[arg(value_name = "KEY=VALUE", required = true)]
    tags: Vec<String>,
}

/// Arguments of `aprendiz run note`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz run note 01a1fd0a-322b-77a3-a61c-68ecd237a2dc 'first run with the corrected dates'
  aprendiz run note 01a1fd0a-322b-77a3-a61c-68ecd237a2dc ''        remove the note")]
pub(crate) struct NoteArgs {
    /// Run ID
    id: IdArg,
    /// Text; it replaces the note, and an empty text removes it
    text: String,
}

pub(super) async fn tag(client: &Client, args: &TagArgs, output: Output) -> Result<(), CliError> {
    change_tags(client, &["v1", "training-runs", &args.id.resolve(client, IdKind::Run).await?.to_string()], &args.tags, output).await
}

pub(super) async fn note(client: &Client, args: &NoteArgs, output: Output) -> Result<(), CliError> {
    change_note(client, &["v1", "training-runs", &args.id.resolve(client, IdKind::Run).await?.to_string()], &args.text, output).await
}
