//! `aprendiz field`: what can be learned.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, table};

/// What to do with fields.
#[derive(Debug, Subcommand)]
pub(crate) enum FieldCommand {
    /// List all fields with how many documents have an answer
    List,
    /// Declare what the values of a field are
    #[command(after_help = DECLARE_HELP)]
    Declare(DeclareArgs),
    /// Write the values of a field that are there as its normalisation says
    Normalize {
        /// Name of the field
        name: String,
    },
}

const DECLARE_HELP: &str = "\
Examples:
  aprendiz field declare governing_law --kind categorical --case lower --spaces --alias 'NY=New York' --alias 'N.Y.=New York'
  aprendiz field declare parties --kind text --many";

/// A definition.
#[derive(Debug, Args)]
pub(crate) struct DeclareArgs {
    /// Name of the field
    name: String,
    /// categorical, text, date or number; only categorical fields are learned
    #[arg(long)]
    kind: String,
    /// A document may have several values
    #[arg(long)]
    many: bool,
    /// A value that a reviewer may choose; repeat it for each
    #[arg(long = "allow", value_name = "VALUE")]
    allowed: Vec<String>,
    /// What becomes of letters: keep, lower or upper; with the latter two, aliases and allowed values are found whatever their case
    #[arg(long)]
    case: Option<String>,
    /// Every run of white space becomes one blank
    #[arg(long)]
    spaces: bool,
    /// A way of writing and the value that it stands for; repeat it for each
    #[arg(long = "alias", value_name = "WRITTEN=VALUE")]
    aliases: Vec<String>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    kind: String,
    cardinality: String,
    declared: bool,
    documents_reviewed: i64,
}

pub(crate) async fn run(client: &Client, command: &FieldCommand, output: Output) -> Result<(), CliError> {
    match command {
        FieldCommand::List => list(client, output).await,
        FieldCommand::Declare(args) => declare(client, args, output).await,
        FieldCommand::Normalize { name } => {
            let done: Value = client.json(client.patient_request(Method::POST, &["v1", "fields", name, "normalize"])).await?;
            output.print(&done, || {
                let number = |key: &str| done[key].as_u64().unwrap_or_default();
                format!(
                    "{} ways of writing changed: {} reviews, {} predictions",
                    number("values"),
                    number("reviews"),
                    number("predictions")
                )
            })?;
            Ok(())
        }
    }
}

async fn declare(client: &Client, args: &DeclareArgs, output: Output) -> Result<(), CliError> {
    let mut aliases = Map::new();
    for alias in &args.aliases {
        let (written, value) = alias
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("--alias {alias:?}: expected WRITTEN=VALUE, for example NY='New York'")))?;
        aliases.insert(written.trim().to_owned(), Value::String(value.trim().to_owned()));
    }
    let normalizes = args.case.is_some() || args.spaces || !aliases.is_empty();
    let definition = json!({
        "kind": args.kind,
        "cardinality": if args.many { "many" } else { "one" },
        "allowed_values": (!args.allowed.is_empty()).then_some(&args.allowed),
        "normalization": normalizes.then(|| json!({ "case": args.case.as_deref().unwrap_or("keep"), "spaces": args.spaces, "aliases": aliases })),
    });
    let field: Value = client.json(client.request(Method::PUT, &["v1", "fields", &args.name]).json(&definition)).await?;
    output.print(&field, || {
        let hint = if normalizes { "; `aprendiz field normalize` writes the values that are there anew" } else { "" };
        format!("field {} is {} now{hint}", args.name, args.kind)
    })?;
    Ok(())
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let page = client.get(&["v1", "fields"]).await?;
    let fields: Vec<Field> = serde_json::from_value(page["items"].clone()).map_err(anyhow::Error::from)?;
    output.print(&page["items"], || {
        let rows: Vec<Vec<String>> = fields
            .into_iter()
            .map(|field| {
                let by = if field.declared { "declared" } else { "guessed" };
                vec![field.name, field.kind, field.cardinality, by.to_owned(), field.documents_reviewed.to_string()]
            })
            .collect();
        table(&["field", "kind", "values", "definition", "reviewed"], &["reviewed"], &rows)
    })?;
    Ok(())
}
