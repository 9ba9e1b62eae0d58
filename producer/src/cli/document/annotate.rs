//! Says what a field of a document has as its value.

use clap::Args;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::document::find;
use crate::cli::exit::CliError;
use crate::cli::output::Output;

const EXAMPLES: &str = "Examples:
  aprendiz document annotate label-studio/7/302 governing_law Texas
  aprendiz document annotate label-studio/7/302 parties 'Acme Inc.' 'Bolt Ltd.' --note 'from page 1'
  aprendiz document annotate label-studio/7/302 governing_law --no-value
  aprendiz document annotate label-studio/7/302 governing_law --undo --if-version 3";

/// What is said about which field.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AnnotateArgs {
    /// Id of the document, or SOURCE/PROJECT/TASK
    document: String,
    /// Name of the field
    field: String,
    /// The value, or the values of a field that has many
    #[arg(value_name = "VALUE", required_unless_present_any = ["no_value", "undo"], conflicts_with_all = ["no_value", "undo"])]
    values: Vec<String>,
    /// Say that there is no value
    #[arg(long, conflicts_with = "undo")]
    no_value: bool,
    /// Undo the review: the field is unreviewed afterwards
    #[arg(long)]
    undo: bool,
    /// Why, for those who read the history
    #[arg(long, conflicts_with = "undo")]
    note: Option<String>,
    /// Who decided it; by default the name of the API key
    #[arg(long)]
    reviewer: Option<String>,
    /// Only if the field still has this version (0: nothing said yet); by default the one that it has now
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u32>,
}

pub(super) async fn run(client: &Client, args: &AnnotateArgs, output: Output) -> Result<(), CliError> {
    let id = find(client, &args.document).await?;
    let path = ["v1", "documents", &id, "annotations", &args.field];
    let version = match args.if_version {
        Some(version) => u64::from(version),
        None => client.get(&path).await?["version"].as_u64().unwrap_or_default(),
    };
    let request = if args.undo {
        let query: Vec<(&str, &String)> = args.reviewer.iter().map(|reviewer| ("reviewer", reviewer)).collect();
        client.request(Method::DELETE, &path).query(&query)
    } else {
        let mut body = json!({ "value": args.values });
        for (key, value) in [("note", &args.note), ("reviewer", &args.reviewer)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        client.request(Method::PUT, &path).json(&body)
    };
    let reviewed: Value = client.json(request.header(header::IF_MATCH, format!("\"{version}\""))).await?;
    output.print(&reviewed, || text(&reviewed))?;
    Ok(())
}

fn text(reviewed: &Value) -> String {
    let value = super::history::value_in_words(&reviewed["accepted_value"]);
    let (field, status) = (reviewed["field"].as_str().unwrap_or("-"), reviewed["review_status"].as_str().unwrap_or("-"));
    format!("{field}: {value} ({status}), version {}, position {}", reviewed["version"], reviewed["event_position"])
}
