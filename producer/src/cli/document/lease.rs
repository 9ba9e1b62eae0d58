//! `aprendiz document lease` and `aprendiz document release`.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::document::resolve::resolve_id;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, format_time_value};

/// Arguments of `aprendiz document lease`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  aprendiz document lease label-studio/7/302 --seconds 1200\n\nLeasing again as the same reviewer renews the lease. A lease ends with `aprendiz document release`, or when it expires."
)]
pub(crate) struct LeaseArgs {
    /// Document ID or SOURCE/PROJECT/TASK
    document: String,
    /// Reviewer [default: name of the API key]
    #[arg(long)]
    reviewer: Option<String>,
    /// Duration of the lease in seconds
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
}

/// Arguments of `aprendiz document release`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aprendiz document release label-studio/7/302")]
pub(crate) struct ReleaseArgs {
    /// Document ID or SOURCE/PROJECT/TASK
    document: String,
    /// Reviewer [default: name of the API key]
    #[arg(long)]
    reviewer: Option<String>,
}

pub(super) async fn acquire(client: &Client, args: &LeaseArgs, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, &args.document).await?;
    let body = json!({ "reviewer": args.reviewer, "seconds": args.seconds });
    let lease: Value = client.json(client.request(Method::PUT, &["v1", "documents", &id, "lease"]).json(&body)).await?;
    output.print(&lease, || {
        let string = |key: &str| lease[key].as_str().unwrap_or("-").to_owned();
        let document = lease["document"].as_str().unwrap_or(&args.document);
        format!("document {document} is leased to {} until {}", string("reviewer"), format_time_value(&lease["expires_at"]))
    })?;
    Ok(())
}

pub(super) async fn release(client: &Client, args: &ReleaseArgs, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, &args.document).await?;
    let query: Vec<(&str, &String)> = args.reviewer.iter().map(|reviewer| ("reviewer", reviewer)).collect();
    client.send(client.request(Method::DELETE, &["v1", "documents", &id, "lease"]).query(&query)).await?;
    output.print(&json!({ "document_id": id }), || format!("lease of document {} released", args.document))?;
    Ok(())
}
