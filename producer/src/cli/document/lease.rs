//! Takes a document for review, so that nobody else does, and gives it back.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::document::find;
use crate::cli::exit::CliError;
use crate::cli::output::Output;

/// Which document, for whom and how long.
#[derive(Debug, Args)]
#[command(after_help = "Again, by the same reviewer, renews it. `document release` gives it back; else it expires.")]
pub(crate) struct LeaseArgs {
    /// Id of the document, or SOURCE/PROJECT/TASK
    document: String,
    /// Who reviews; by default the name of the API key
    #[arg(long)]
    reviewer: Option<String>,
    /// For how long, in seconds
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
}

/// Which document, and who had it.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// Id of the document, or SOURCE/PROJECT/TASK
    document: String,
    /// Who reviewed; by default the name of the API key
    #[arg(long)]
    reviewer: Option<String>,
}

pub(super) async fn take(client: &Client, args: &LeaseArgs, output: Output) -> Result<(), CliError> {
    let id = find(client, &args.document).await?;
    let body = json!({ "reviewer": args.reviewer, "seconds": args.seconds });
    let lease: Value = client.json(client.request(Method::PUT, &["v1", "documents", &id, "lease"]).json(&body)).await?;
    output.print(&lease, || {
        let words = |key: &str| lease[key].as_str().unwrap_or("-").to_owned();
        format!("document {id} is {}'s until {}", words("reviewer"), words("expires_at"))
    })?;
    Ok(())
}

pub(super) async fn release(client: &Client, args: &ReleaseArgs, output: Output) -> Result<(), CliError> {
    let id = find(client, &args.document).await?;
    let query: Vec<(&str, &String)> = args.reviewer.iter().map(|reviewer| ("reviewer", reviewer)).collect();
    client.send(client.request(Method::DELETE, &["v1", "documents", &id, "lease"]).query(&query)).await?;
    output.print(&json!({ "document_id": id }), || format!("document {id} is free"))?;
    Ok(())
}
