//! `aprendiz document search`.

use clap::Args;
use serde_json::Value;

use crate::cli::document::name::document_name;
use crate::cli::error::CliError;
use crate::cli::http::{Client, fetch_list};
use crate::cli::terminal::{Output, Spinner, table, text_cell};

/// Arguments of `aprendiz document search`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz document search distributor agreement
  aprendiz document search --texts 'State of Texas' --project 7

Names are found by an index: each word must start a word of file name, project, task or metadata. With --texts, the texts are
read one after the other, about 32 MiB per second, until enough documents contain the phrase.")]
pub(crate) struct SearchArgs {
    /// Words, or a phrase with --texts; case does not matter
    #[arg(required = true)]
    words: Vec<String>,
    /// Search the texts instead of names and metadata
    #[arg(long)]
    texts: bool,
    /// Filter by source
    #[arg(long)]
    source: Option<String>,
    /// Filter by project
    #[arg(long)]
    project: Option<String>,
    /// Filter by split: train, validation, test or excluded
    #[arg(long)]
    split: Option<String>,
    /// Maximum number of documents to list; 0 lists all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(client: &Client, args: &SearchArgs, output: Output) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = vec![("q", args.words.join(" "))];
    query.extend(args.texts.then(|| ("in", "texts".to_owned())));
    for (key, value) in [("source", &args.source), ("project", &args.project), ("split", &args.split)] {
        query.extend(value.iter().map(|value| (key, value.clone())));
    }
    let listed = {
        let _spinner = Spinner::start("searching documents");
        fetch_list(client, &["v1", "documents", "search"], &query, args.limit).await?
    };
    output.print(&listed.items, || render(&listed.items, args.texts))?;
    listed.print_hint();
    Ok(())
}

fn render(found: &[Value], texts: bool) -> String {
    if found.is_empty() {
        let hint = if texts { "" } else { " --texts searches the texts." };
        return format!("No documents match.{hint}\n");
    }
    let mut header = vec!["document", "split", "file name"];
    header.extend(texts.then_some("excerpt"));
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|document| {
            let mut row = vec![document_name(document), text_cell(&document["split"]), text_cell(&document["file_name"])];
            row.extend(texts.then(|| text_cell(&document["excerpt"]).split_whitespace().collect::<Vec<_>>().join(" ")));
            row
        })
        .collect();
    table(&header, &[], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn excerpts_are_on_one_line() {
        let found = json!({ "source": "api", "project": "7", "task_id": "1", "file_name": "a.txt", "split": "train", "excerpt": "the\n State  of Texas" });
        assert!(render(std::slice::from_ref(&found), true).contains("the State of Texas"));
        assert!(!render(&[found], false).contains("Texas"));
        assert!(render(&[], false).contains("--texts"));
    }
}
