//! `aprendiz document`: takes in a document, says what a field of it is, and tells why both are what they are.

mod annotate;
mod create;
mod history;
mod lease;

pub(crate) use self::history::value_in_words;

use anyhow::Context as _;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::lineage::document_text;
use crate::cli::output::{Output, table};

/// What to do with documents.
#[derive(Debug, Subcommand)]
pub(crate) enum DocumentCommand {
    /// Say in which split a document is, since when and why, and which others overlap with it
    #[command(
        after_help = "Examples:\n  aprendiz document explain 019aa2c8-6f0e-7000-8000-000000000000\n  aprendiz document explain label-studio/7/302"
    )]
    Explain {
        /// Id of the document, or SOURCE/PROJECT/TASK
        document: String,
    },
    /// Say what the value of a field is, or that there is none, or undo what was said
    Annotate(annotate::AnnotateArgs),
    /// Show all that was ever said about a field, and what counted as of a time
    History(history::HistoryArgs),
    /// Take a document for review: nobody else can say anything about it meanwhile
    Lease(lease::LeaseArgs),
    /// Give a document back
    Release(lease::ReleaseArgs),
    /// Take in a document from a file with its text
    Create(create::CreateArgs),
    /// Show which snapshots hold a document, which runs read them, and which model versions to retire when it has to go
    Lineage {
        /// Id of the document, or SOURCE/PROJECT/TASK
        document: String,
    },
    /// Erase the content of a document for ever, and give up the snapshots that hold it
    #[command(
        after_help = "Example:\n  aprendiz document erase label-studio/7/302 --reason \"request 2026-113\" --yes\n\nWhat stays is proof: hashes of its texts, who reviewed it and when, who erased it and why.\nModels are listed, not changed: `document lineage` names those to retire."
    )]
    Erase {
        /// Id of the document, or SOURCE/PROJECT/TASK
        document: String,
        /// Why; it stays for ever, so name the request and not the person
        #[arg(long)]
        reason: String,
        /// Really do it
        #[arg(long)]
        yes: bool,
    },
    /// Compare documents that were imported before there were near-duplicates, and exclude those that cross splits
    Index,
}

pub(crate) async fn run(client: &Client, command: &DocumentCommand, output: Output) -> Result<(), CliError> {
    match command {
        DocumentCommand::Explain { document } => explain(client, document, output).await,
        DocumentCommand::Annotate(args) => annotate::run(client, args, output).await,
        DocumentCommand::History(args) => history::run(client, args, output).await,
        DocumentCommand::Lease(args) => lease::take(client, args, output).await,
        DocumentCommand::Release(args) => lease::release(client, args, output).await,
        DocumentCommand::Create(args) => create::run(client, args, output).await,
        DocumentCommand::Lineage { document } => lineage(client, document, output).await,
        DocumentCommand::Erase { document, reason, yes } => erase(client, document, reason, *yes, output).await,
        DocumentCommand::Index => index(client, output).await,
    }
}

async fn explain(client: &Client, document: &str, output: Output) -> Result<(), CliError> {
    let id = find(client, document).await?;
    let explanation = client.get(&["v1", "documents", &id, "explain"]).await?;
    output.print(&explanation, || text(&explanation))?;
    Ok(())
}

async fn lineage(client: &Client, document: &str, output: Output) -> Result<(), CliError> {
    let id = find(client, document).await?;
    let found: Value = client.json(client.patient_request(Method::GET, &["v1", "documents", &id, "lineage"])).await?;
    output.print(&found, || document_text(&found))?;
    Ok(())
}

async fn erase(client: &Client, document: &str, reason: &str, yes: bool, output: Output) -> Result<(), CliError> {
    if !yes {
        return Err(CliError::Usage(format!(
            "this erases the content of document {document} for ever: look at `aprendiz document lineage {document}`, then repeat with --yes"
        )));
    }
    let id = find(client, document).await?;
    let request = client.patient_request(Method::POST, &["v1", "documents", &id, "erase"]).json(&json!({ "reason": reason }));
    let erased: Value = client.json(request).await?;
    output.print(&erased, || {
        let before = if erased["erased_before"] == true { "It had been erased before; nothing was done now.\n" } else { "" };
        let counts = format!("{} texts, {} events emptied; {} snapshots given up", erased["texts"], erased["events"], erased["datasets"]);
        format!("{before}{counts}\n{}", document_text(&erased["lineage"]))
    })?;
    Ok(())
}

/// The id of a document, given as such or as the source knows it.
async fn find(client: &Client, document: &str) -> Result<String, CliError> {
    if Uuid::parse_str(document).is_ok() {
        return Ok(document.to_owned());
    }
    let Some((source, project, task)) = split_name(document) else {
        return Err(CliError::Usage(format!(
            "`{document}` is neither the id of a document nor SOURCE/PROJECT/TASK, such as label-studio/7/302"
        )));
    };
    let request = client.request(Method::GET, &["v1", "documents"]).query(&[("source", source), ("project", project), ("task_id", task)]);
    let page: Value = client.json(request).await?;
    match page["items"][0]["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(CliError::Refused(format!("no document {document}: `curl $APRENDIZ_URL/v1/documents` lists them"))),
    }
}

/// A project or task may hold slashes; the source does not.
fn split_name(name: &str) -> Option<(&str, &str, &str)> {
    let (source, rest) = name.split_once('/')?;
    let (project, task) = rest.rsplit_once('/')?;
    (!source.is_empty() && !project.is_empty() && !task.is_empty()).then_some((source, project, task))
}

fn text(explanation: &Value) -> String {
    let words = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut text: String = explanation["in_words"].as_array().into_iter().flatten().map(|sentence| words(sentence) + "\n").collect();
    let near: Vec<Vec<String>> = explanation["near_duplicates"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|near| {
            let name = format!("{}/{}/{}", words(&near["source"]), words(&near["project"]), words(&near["task_id"]));
            let containment = format!("{:.3}", near["containment"].as_f64().unwrap_or_default());
            vec![name, containment, words(&near["split"]), words(&near["document_id"])]
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
        CliError::Failed(error) => CliError::Failed(error.context("nothing was changed")),
        other => other,
    })?;
    let number = |key: &str| report[key].as_u64().context("unexpected report").map_err(CliError::Failed);
    let (texts, excluded) = (number("texts_indexed")?, number("documents_excluded")?);
    output.print(&report, || {
        format!("{texts} texts compared with the others; {excluded} documents excluded that overlap with another split")
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_named_by_source_project_and_task() {
        assert_eq!(split_name("label-studio/7/302"), Some(("label-studio", "7", "302")));
        assert_eq!(split_name("label-studio/a/b/302"), Some(("label-studio", "a/b", "302")));
        assert_eq!(split_name("label-studio/302"), None);
        assert_eq!(split_name("/7/302"), None);
    }

    #[test]
    fn an_explanation_is_sentences_and_a_table() {
        let explanation = serde_json::json!({
            "in_words": ["One.", "Two."],
            "near_duplicates": [{"source": "label-studio", "project": "1", "task_id": "303", "containment": 1.0, "split": "test", "document_id": "x"}],
        });
        let text = text(&explanation);
        assert!(text.starts_with("One.\nTwo.\n\n"), "{text}");
        assert!(text.contains("label-studio/1/303") && text.contains("1.000"), "{text}");
    }
}
