//! `aprendiz document`: list, search, show, create, annotate, explain, trace and erase documents.

mod annotate;
mod create;
mod get;
mod history;
mod lease;
mod list;
pub(crate) mod name;
pub(crate) mod resolve;
mod search;

pub(crate) use self::history::format_value;

use anyhow::Context as _;
use aprendiz_text::count;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) use self::resolve::resolve_id;
use crate::cli::archive::{ArchiveDocumentsArgs, change_documents};
use crate::cli::dataset::lineage::render_document;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, table, text_cell};

/// Subcommands of `aprendiz document`.
#[derive(Debug, Subcommand)]
pub(crate) enum DocumentCommand {
    /// List documents, oldest first
    List(list::ListArgs),
    /// Show the fields, split, near-duplicates and versions of a document
    #[command(
        after_help = "Examples:\n  aprendiz document get label-studio/7/302\n  aprendiz document get 019aa2c8-6f0e-7000-8000-000000000000 -o json"
    )]
    Get {
        /// Document ID or SOURCE/PROJECT/TASK
        document: String,
    },
    /// Print the text of a document
    #[command(disable_version_flag = true)]
    Text(get::TextArgs),
    /// Search names and metadata, or texts
    Search(search::SearchArgs),
    /// Explain the split of a document and list its near-duplicates
    #[command(
        after_help = "Examples:\n  aprendiz document explain 019aa2c8-6f0e-7000-8000-000000000000\n  aprendiz document explain label-studio/7/302"
    )]
    Explain {
        /// Document ID or SOURCE/PROJECT/TASK
        document: String,
    },
    /// Review a field: set its value, or set no value
    Annotate(annotate::AnnotateArgs),
    /// Clear the review of a field, which makes it unreviewed
    Clear(annotate::ClearArgs),
    /// Show the review history of a field
    History(history::HistoryArgs),
    /// Lease a document, so that only one reviewer can change it
    Lease(lease::LeaseArgs),
    /// Release the lease of a document
    Release(lease::ReleaseArgs),
    /// Create a document from a text file
    Create(create::CreateArgs),
    /// Show the snapshots, runs and model versions that use a document
    #[command(after_help = "Example:\n  aprendiz document lineage label-studio/7/302")]
    Lineage {
        /// Document ID or SOURCE/PROJECT/TASK
        document: String,
    },
    /// Take documents out of training, the review queue and counts
    #[command(
        after_help = "Example:\n  aprendiz document archive label-studio/7/302 label-studio/7/303 --reason \"drafts\"\n\nSnapshots as of an earlier position keep the documents. Imports go on to update them; they stay archived."
    )]
    Archive(ArchiveDocumentsArgs),
    /// Put archived documents back
    #[command(after_help = "Example:\n  aprendiz document unarchive label-studio/7/302")]
    Unarchive(ArchiveDocumentsArgs),
    /// Permanently erase the content of a document and invalidate the snapshots that contain it
    #[command(
        after_help = "Example:\n  aprendiz document erase label-studio/7/302 --reason \"request 2026-113\" --yes\n\nThe audit trail is kept: hashes of the texts, reviewers and review times, and who erased the document and why.\nModels are not changed: `document lineage` lists the versions to retire."
    )]
    Erase {
        /// Document ID or SOURCE/PROJECT/TASK
        document: String,
        /// Reason; it is kept permanently, so name the request, not the person
        #[arg(long)]
        reason: String,
        /// Confirm the erasure
        #[arg(long)]
        yes: bool,
    },
    /// Detect near-duplicates of documents that are not indexed yet, and exclude those that cross splits
    #[command(after_help = "Example:\n  aprendiz document index")]
    Index,
}

pub(crate) async fn run(client: &Client, command: &DocumentCommand, output: Output) -> Result<(), CliError> {
    match command {
        DocumentCommand::List(args) => list::run(client, args, output).await,
        DocumentCommand::Get { document } => get::run(client, document, output).await,
        DocumentCommand::Text(args) => get::print_document_text(client, args, output).await,
        DocumentCommand::Search(args) => search::run(client, args, output).await,
        DocumentCommand::Explain { document } => explain(client, document, output).await,
        DocumentCommand::Annotate(args) => annotate::run(client, args, output).await,
        DocumentCommand::Clear(args) => annotate::clear(client, args, output).await,
        DocumentCommand::History(args) => history::run(client, args, output).await,
        DocumentCommand::Lease(args) => lease::acquire(client, args, output).await,
        DocumentCommand::Release(args) => lease::release(client, args, output).await,
        DocumentCommand::Create(args) => create::run(client, args, output).await,
        DocumentCommand::Lineage { document } => lineage(client, document, output).await,
        DocumentCommand::Archive(args) => change_documents(client, args, true, output).await,
        DocumentCommand::Unarchive(args) => change_documents(client, args, false, output).await,
        DocumentCommand::Erase { document, reason, yes } => erase(client, document, reason, *yes, output).await,
        DocumentCommand::Index => index(client, output).await,
    }
}

async fn explain(client: &Client, document: &str, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, document).await?;
    let explanation = client.get(&["v1", "documents", &id, "explain"]).await?;
    output.print(&explanation, || render(&explanation))?;
    Ok(())
}

async fn lineage(client: &Client, document: &str, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, document).await?;
    let found: Value = client.json(client.long_request(Method::GET, &["v1", "documents", &id, "lineage"])).await?;
    output.print(&found, || render_document(&found))?;
    Ok(())
}

async fn erase(client: &Client, document: &str, reason: &str, yes: bool, output: Output) -> Result<(), CliError> {
    if !yes {
        return Err(CliError::Usage(format!(
            "this permanently erases the content of document {document}: check `aprendiz document lineage {document}`, then confirm with --yes"
        )));
    }
    let id = resolve_id(client, document).await?;
    let request = client.long_request(Method::POST, &["v1", "documents", &id, "erase"]).json(&json!({ "reason": reason }));
    let erased: Value = client.json(request).await?;
    output.print(&erased, || {
        let notice = if erased["erased_before"] == true { "The document was already erased; nothing changed.\n" } else { "" };
        let counts = ["texts", "events", "datasets"].map(|key| erased[key].as_u64().unwrap_or_default());
        let [texts, events, snapshots] = counts;
        let counts =
            format!("erased {}, redacted {}, invalidated {}", count(texts, "text"), count(events, "event"), count(snapshots, "snapshot"));
        format!("{notice}{counts}\n{}", render_document(&erased["lineage"]))
    })?;
    Ok(())
}

fn render(explanation: &Value) -> String {
    let mut text: String = explanation["in_words"].as_array().into_iter().flatten().map(|sentence| text_cell(sentence) + "\n").collect();
    let near: Vec<Vec<String>> = explanation["near_duplicates"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|near| {
            let name = format!("{}/{}/{}", text_cell(&near["source"]), text_cell(&near["project"]), text_cell(&near["task_id"]));
            let containment = format!("{:.3}", near["containment"].as_f64().unwrap_or_default());
            vec![name, containment, text_cell(&near["split"]), text_cell(&near["document_id"])]
        })
        .collect();
    if !near.is_empty() {
        text.push('\n');
        text.push_str(&table(&["near-duplicate", "containment", "split", "id"], &["containment"], &near));
    }
    text
}

async fn index(client: &Client, output: Output) -> Result<(), CliError> {
    let report: Value = client.json(client.upload(&["v1", "documents", "index"])).await.map_err(|error| match error {
        CliError::Failed(error) => CliError::Failed(error.context("indexing failed, nothing was changed")),
        other => other,
    })?;
    let number = |key: &str| report[key].as_u64().context("unexpected index report in the API response").map_err(CliError::Failed);
    let (texts, excluded) = (number("texts_indexed")?, number("documents_excluded")?);
    output.print(&report, || format!("indexed {}; excluded {} across splits", count(texts, "text"), count(excluded, "near-duplicate")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_are_sentences_and_a_table() {
        let explanation = serde_json::json!({
            "in_words": ["One.", "Two."],
            "near_duplicates": [{"source": "label-studio", "project": "1", "task_id": "303", "containment": 1.0, "split": "test", "document_id": "x"}],
        });
        let text = render(&explanation);
        assert!(text.starts_with("One.\nTwo.\n\n"), "{text}");
        assert!(text.contains("label-studio/1/303") && text.contains("1.000"), "{text}");
    }
}
