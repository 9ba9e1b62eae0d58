//! `aprendiz document annotate` and `aprendiz document clear`: review a field of a document, or make it unreviewed.

use clap::Args;
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};

use crate::cli::document::resolve::resolve_id;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

const EXAMPLES: &str = "Examples:
  aprendiz document annotate label-studio/7/302 governing_law Texas
  aprendiz document annotate label-studio/7/302 parties 'Acme Inc.' 'Bolt Ltd.' --note 'from page 1'
  aprendiz document annotate label-studio/7/302 governing_law --no-value --if-version 3";

const CLEAR_EXAMPLES: &str = "Examples:
  aprendiz document clear label-studio/7/302 governing_law
  aprendiz document clear label-studio/7/302 governing_law --if-version 3

The field becomes unreviewed, whatever the reviews before were. They stay in the history.";

/// Arguments of `aprendiz document annotate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AnnotateArgs {
    /// Document ID or SOURCE/PROJECT/TASK
    document: String,
    /// Field name
    field: String,
    /// Value, or several values if the field allows them
    #[arg(value_name = "VALUE", required_unless_present = "no_value", conflicts_with = "no_value")]
    values: Vec<String>,
    /// Record that the document has no value for the field
    #[arg(long)]
    no_value: bool,
    /// Note to record in the history
    #[arg(long)]
    note: Option<String>,
    /// Reviewer to record [default: name of the API key]
    #[arg(long)]
    reviewer: Option<String>,
    /// Fail unless the field is at this version; 0 = never reviewed [default: version at the start of the command]
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u32>,
}

/// Arguments of `aprendiz document clear`.
#[derive(Debug, Args)]
#[command(after_help = CLEAR_EXAMPLES)]
pub(crate) struct ClearArgs {
    /// Document ID or SOURCE/PROJECT/TASK
    document: String,
    /// Field name
    field: String,
    /// Reviewer to record [default: name of the API key]
    #[arg(long)]
    reviewer: Option<String>,
    /// Fail unless the field is at this version [default: version at the start of the command]
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u32>,
}

pub(super) async fn run(client: &Client, args: &AnnotateArgs, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, &args.document).await?;
    let path = ["v1", "documents", &id, "annotations", &args.field];
    let mut body = json!({ "value": args.values });
    for (key, value) in [("note", &args.note), ("reviewer", &args.reviewer)] {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    send(client, &path, client.request(Method::PUT, &path).json(&body), args.if_version, output).await
}

pub(super) async fn clear(client: &Client, args: &ClearArgs, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, &args.document).await?;
    let path = ["v1", "documents", &id, "annotations", &args.field];
    let query: Vec<(&str, &String)> = args.reviewer.iter().map(|reviewer| ("reviewer", reviewer)).collect();
    send(client, &path, client.request(Method::DELETE, &path).query(&query), args.if_version, output).await
}

/// Sends a change of the field at a path, if it is still at the version.
async fn send(client: &Client, path: &[&str], request: RequestBuilder, if_version: Option<u32>, output: Output) -> Result<(), CliError> {
    let version = match if_version {
        Some(version) => u64::from(version),
        None => client.get(path).await?["version"].as_u64().unwrap_or_default(),
    };
    let reviewed: Value = client.json(request.header(header::IF_MATCH, format!("\"{version}\""))).await?;
    output.print(&reviewed, || render(&reviewed))?;
    Ok(())
}

fn render(reviewed: &Value) -> String {
    let value = super::history::format_value(&reviewed["accepted_value"]);
    let (field, status) = (reviewed["field"].as_str().unwrap_or("-"), reviewed["review_status"].as_str().unwrap_or("-"));
    format!("{field}: {value} ({status}), version {}, position {}", reviewed["version"], reviewed["event_position"])
}
