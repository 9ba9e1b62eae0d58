//! `aprendiz document list`.

use chrono::Utc;
use clap::Args;
use serde_json::Value;

use crate::cli::arguments::time::TimeArgument;
use crate::cli::document::name::document_name;
use crate::cli::error::CliError;
use crate::cli::http::{Client, fetch_list};
use crate::cli::import::STATUSES;
use crate::cli::tags::{pairs_parameter, parse_pair};
use crate::cli::terminal::{Output, table, text_cell};

/// Arguments of `aprendiz document list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz document list --project 7 --split test
  aprendiz document list --field governing_law --value Texas
  aprendiz document list --field governing_law --reviewed false --limit 10
  aprendiz document list --metadata client=Acme --since 2d -o json")]
pub(crate) struct ListArgs {
    /// Filter by source, such as label-studio
    #[arg(long)]
    source: Option<String>,
    /// Filter by project
    #[arg(long)]
    project: Option<String>,
    /// Filter by split: train, validation, test or excluded
    #[arg(long)]
    split: Option<String>,
    /// Filter by field: documents with a prediction or a review of it
    #[arg(long)]
    field: Option<String>,
    /// Filter by accepted value, of --field if it is given; an empty value stands for "no value"
    #[arg(long)]
    value: Option<String>,
    /// Filter by review status, of --field if it is given
    #[arg(long, value_parser = STATUSES, ignore_case = true)]
    status: Option<String>,
    /// Only documents with (true) or without (false) a review, of --field if it is given
    #[arg(long, value_name = "BOOL")]
    reviewed: Option<bool>,
    /// Filter by metadata. Can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    metadata: Vec<(String, String)>,
    /// Only documents imported or changed at or after TIME (a duration such as 15m or 2d, or a timestamp)
    #[arg(long, value_name = "TIME")]
    since: Option<TimeArgument>,
    /// Maximum number of documents to list; 0 lists all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(client: &Client, args: &ListArgs, output: Output) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = Vec::new();
    let texts =
        [("source", &args.source), ("project", &args.project), ("split", &args.split), ("field", &args.field), ("value", &args.value)];
    for (key, value) in texts {
        query.extend(value.iter().map(|value| (key, value.clone())));
    }
    query.extend(args.status.iter().map(|status| ("status", status.to_uppercase())));
    query.extend(args.reviewed.map(|reviewed| ("reviewed", reviewed.to_string())));
    query.extend((!args.metadata.is_empty()).then(|| ("metadata", pairs_parameter(&args.metadata))));
    query.extend(args.since.map(|since| ("since", since.resolve(Utc::now()).to_rfc3339_opts(chrono::SecondsFormat::Micros, true))));
    let listed = fetch_list(client, &["v1", "documents"], &query, args.limit).await?;
    output.print(&listed.items, || render(&listed.items))?;
    listed.print_hint();
    Ok(())
}

fn render(documents: &[Value]) -> String {
    if documents.is_empty() {
        return "No documents match.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = documents
        .iter()
        .map(|document| {
            vec![
                document_name(document),
                text_cell(&document["split"]),
                text_cell(&document["file_name"]),
                text_cell(&document["created_at"]).chars().take(10).collect(),
                text_cell(&document["id"]),
            ]
        })
        .collect();
    table(&["document", "split", "file name", "imported", "id"], &[], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_listed_by_the_names_that_users_gave_them() {
        let document = json!({ "id": "x", "source": "label-studio", "project": "7", "task_id": "302", "file_name": null, "split": "test",
                               "created_at": "2026-11-01T10:00:00Z" });
        let text = render(&[document]);
        assert!(text.lines().nth(1).unwrap().starts_with("label-studio/7/302") && text.contains("2026-11-01"), "{text}");
        assert_eq!(render(&[]), "No documents match.\n");
    }
}
