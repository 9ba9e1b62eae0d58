//! `aprendiz field`: list and declare fields, normalize their values.

mod normalize;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, table};

/// Subcommands of `aprendiz field`.
#[derive(Debug, Subcommand)]
pub(crate) enum FieldCommand {
    /// List fields and their number of reviewed documents
    #[command(visible_alias = "ls", after_help = "Examples:\n  aprendiz field list\n  aprendiz field list -q")]
    List,
    /// Declare the type and the allowed values of a field
    #[command(after_help = DECLARE_HELP)]
    Declare(DeclareArgs),
    /// Apply the normalization of a field to its existing values
    #[command(after_help = "Examples:\n  aprendiz field normalize governing_law --dry-run\n  aprendiz field normalize governing_law --yes")]
    Normalize(normalize::NormalizeArgs),
}

const DECLARE_HELP: &str = "\
Examples:
  aprendiz field declare governing_law --kind categorical --spaces --alias 'NY=New York' --alias 'N.Y.=New York'
  aprendiz field declare parties --kind text --many";

/// Arguments of `aprendiz field declare`.
#[derive(Debug, Args)]
pub(crate) struct DeclareArgs {
    /// Field name
    name: String,
    /// Type. Models are trained on categorical fields only
    #[arg(long, value_parser = ["categorical", "text", "date", "number"])]
    kind: String,
    /// Allow several values per document
    #[arg(long)]
    many: bool,
    /// Allowed value. Can be repeated
    #[arg(long = "allow", value_name = "VALUE")]
    allowed: Vec<String>,
    /// Case of normalized values. With lower or upper, aliases and allowed values match case-insensitively
    #[arg(long, value_parser = ["keep", "lower", "upper"], default_value = "keep")]
    case: String,
    /// Collapse whitespace to single spaces
    #[arg(long)]
    spaces: bool,
    /// Spelling to replace with a value. Can be repeated
    #[arg(long = "alias", value_name = "SPELLING=VALUE")]
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
        FieldCommand::Normalize(args) => normalize::run(client, args, output).await,
    }
}

async fn declare(client: &Client, args: &DeclareArgs, output: Output) -> Result<(), CliError> {
    let mut aliases = Map::new();
    for alias in &args.aliases {
        let (spelling, value) = alias
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("invalid --alias {alias:?}: expected SPELLING=VALUE, such as NY='New York'")))?;
        aliases.insert(spelling.trim().to_owned(), Value::String(value.trim().to_owned()));
    }
    let normalizes = args.case != "keep" || args.spaces || !aliases.is_empty();
    let definition = json!({
        "kind": args.kind,
        "cardinality": if args.many { "many" } else { "one" },
        "allowed_values": (!args.allowed.is_empty()).then_some(&args.allowed),
        "normalization": normalizes.then(|| json!({ "case": args.case, "spaces": args.spaces, "aliases": aliases })),
    });
    let field: Value = client.json(client.request(Method::PUT, &["v1", "fields", &args.name]).json(&definition)).await?;
    output.print(&field, || {
        let hint =
            if normalizes { format!("; normalize existing values with: aprendiz field normalize {}", args.name) } else { String::new() };
        format!("field {} declared as {}{hint}", args.name, args.kind)
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
                let by = if field.declared { "declared" } else { "inferred" };
                vec![field.name, field.kind, field.cardinality, by.to_owned(), field.documents_reviewed.to_string()]
            })
            .collect();
        table(&["field", "kind", "values", "definition", "reviewed"], &["reviewed"], &rows)
    })?;
    Ok(())
}
