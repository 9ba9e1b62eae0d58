//! `aprendiz model retire`: retires a version, or all versions that used a document.

use std::fmt::Write as _;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::document::resolve::resolve_id;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, cell, items, table};

/// Arguments of `aprendiz model retire`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --document, all versions that were trained or evaluated on the document are retired, or none: if an alias names one of them, the command
is refused and lists them, unless --force removes the aliases. A version that a run publishes later is not among them.

Examples:
  aprendiz model retire contracts 2 --reason 'trained on a wrong import'
  aprendiz model retire --document label-studio/7/302 --dry-run
  aprendiz model retire --document label-studio/7/302 --force --delete-files --reason 'request 2026-113'")]
pub(crate) struct RetireArgs {
    /// Model name
    #[arg(required_unless_present = "document", requires = "number")]
    name: Option<String>,
    /// Version number
    number: Option<i32>,
    /// Retire all versions that used this document: its ID or SOURCE/PROJECT/TASK
    #[arg(long, value_name = "DOCUMENT", conflicts_with_all = ["name", "number"])]
    document: Option<String>,
    /// Why [default with --document: the document]
    #[arg(long, required_unless_present = "document")]
    reason: Option<String>,
    /// Remove the aliases that name the versions
    #[arg(long)]
    force: bool,
    /// Only list the versions that used the document
    #[arg(long, requires = "document", conflicts_with_all = ["name", "number"])]
    dry_run: bool,
    /// Also delete the files of the versions that used the document; requires the role admin
    #[arg(long, requires = "document", conflicts_with_all = ["name", "number"])]
    delete_files: bool,
}

pub(super) async fn run(client: &Client, args: &RetireArgs, output: Output) -> Result<(), CliError> {
    match (&args.document, &args.name, args.number) {
        (Some(document), ..) => retire_by_document(client, document, args, output).await,
        (None, Some(name), Some(number)) => {
            let body = json!({ "reason": args.reason, "force": args.force });
            let request = client.request(Method::POST, &["v1", "models", name, "versions", &number.to_string(), "retire"]).json(&body);
            let version: Value = client.json(request).await?;
            output.print(&version, || format!("{name} version {number} is retired and answers nothing any more"))?;
            Ok(())
        }
        _ => Err(CliError::Usage("nothing to retire: specify NAME and NUMBER, or --document DOCUMENT".to_owned())),
    }
}

async fn retire_by_document(client: &Client, document: &str, args: &RetireArgs, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, document).await?;
    let RetireArgs { reason, force, dry_run, delete_files, .. } = args;
    let body = json!({ "reason": reason, "force": force, "dry_run": dry_run, "delete_files": delete_files });
    let request = client.long_request(Method::POST, &["v1", "documents", &id, "retire-models"]).json(&body);
    let result: Value = client.json(request).await?;
    output.print(&result, || render(&result))?;
    Ok(())
}

fn render(result: &Value) -> String {
    let is_dry = result["dry_run"] == true;
    let row = |state: &str, version: &Value| {
        let aliases: Vec<&str> = version["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        vec![cell(&version["model"]), cell(&version["number"]), aliases.join(", "), state.to_owned(), cell(&version["reason"])]
    };
    let state = if is_dry { "to retire" } else { "retired" };
    let rows: Vec<Vec<String>> = items(&result["retired"])
        .map(|version| row(state, version))
        .chain(items(&result["retired_before"]).map(|version| row("retired before", version)))
        .collect();
    let document = cell(&result["document"]);
    if rows.is_empty() {
        return format!("no model version used document {document}");
    }
    let mut text = table(&["model", "version", "aliases", "state", "use of the document"], &["version"], &rows);
    if result["files_deleted"] != 0 {
        let what = if is_dry { "would be deleted" } else { "are deleted" };
        let _ = write!(text, "\nfiles of {} versions {what}", result["files_deleted"]);
    }
    let unfinished: Vec<String> = items(&result["unfinished_runs"]).map(cell).collect();
    if !unfinished.is_empty() {
        let _ =
            write!(text, "\nruns on a snapshot with the document have not ended and may publish more versions: {}", unfinished.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: RetireArgs,
    }

    #[test]
    fn a_version_or_a_document_is_required() {
        let parse = |line: &[&str]| Line::try_parse_from([&["retire"], line].concat());
        parse(&["contracts", "2", "--reason", "x"]).unwrap();
        parse(&["--document", "a/b/1", "--dry-run"]).unwrap();
        for line in [
            &["contracts", "2"][..],
            &["contracts", "--reason", "x"],
            &["--reason", "x"],
            &["contracts", "2", "--reason", "x", "--dry-run"],
            &["contracts", "2", "--document", "a/b/1"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn versions_are_listed_with_their_aliases() {
        let version =
            |number: u32, aliases: &[&str]| json!({ "model": "m", "number": number, "aliases": aliases, "reason": "trained on it" });
        let result = json!({
            "document": "a/b/1", "dry_run": true, "retired": [version(2, &["champion"])], "retired_before": [version(1, &[])],
            "files_deleted": 2, "unfinished_runs": ["r"],
        });
        let text = render(&result);
        assert!(text.contains("champion") && text.contains("to retire") && text.contains("retired before"), "{text}");
        assert!(text.contains("files of 2 versions would be deleted") && text.contains("may publish more versions: r"), "{text}");
        assert!(render(&json!({ "document": "a/b/1", "retired": [], "retired_before": [] })).contains("no model version used"));
    }
}
