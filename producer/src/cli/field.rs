//! `aprendiz field`: what can be learned.

use clap::Subcommand;
use serde::Deserialize;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, table};

/// What to do with fields.
#[derive(Debug, Subcommand)]
pub(crate) enum FieldCommand {
    /// List all fields with how many documents have an answer
    List,
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
    let FieldCommand::List = command;
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
