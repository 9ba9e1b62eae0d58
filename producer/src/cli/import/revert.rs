//! `aprendiz imports revert`.

use std::io::{self, IsTerminal as _};

use aprendiz_text::count;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, confirm};

/// Arguments of `aprendiz imports revert`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz imports list
  aprendiz imports revert @latest --dry-run
  aprendiz imports revert 68ecd237a2dc --reason \"wrong project\"

Documents that no other import contains are withdrawn; the others get their earlier texts, predictions and reviews back. What later imports
repeat and what reviewers decided stays. Earlier snapshots keep their content. If the command is interrupted, the server finishes the
revert, and running it again shows the result. Importing the file again brings everything back.")]
pub(crate) struct RevertArgs {
    /// Import ID
    id: IdArg,
    /// Reason; kept with the revert and in the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Show what would be withdrawn without doing it
    #[arg(long)]
    dry_run: bool,
    /// Skip the confirmation prompt
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(client: &Client, args: &RevertArgs, output: Output) -> Result<(), CliError> {
    // resolved once: `@latest` is the same import in both requests
    let id = args.id.resolve(client, IdKind::Import).await?.to_string();
    let reason = args.reason.as_deref();
    if !args.dry_run && !args.yes && io::stdin().is_terminal() {
        let effect = request(client, &id, reason, true).await?;
        if effect["dry_run"] == true && !confirm(&format!("{}. Revert the import?", render(&effect)))? {
            return Err(CliError::Refused("the import was not reverted".to_owned()));
        }
    }
    let revert = request(client, &id, reason, args.dry_run).await?;
    output.print(&revert, || render(&revert))?;
    Ok(())
}

async fn request(client: &Client, id: &str, reason: Option<&str>, dry_run: bool) -> Result<Value, CliError> {
    let body = json!({ "reason": reason, "dry_run": dry_run });
    client.json(client.long_request(Method::POST, &["v1", "imports", id, "revert"]).json(&body)).await
}

fn render(revert: &Value) -> String {
    let counted = |key: &str, noun: &str| count(revert[key].as_u64().unwrap_or_default(), noun);
    let retries = match revert["retries"].as_array().map_or(0, Vec::len) {
        0 => String::new(),
        1 => " with a retry of its quarantined tasks".to_owned(),
        retries => format!(" with {retries} retries of its quarantined tasks"),
    };
    let verb = if revert["dry_run"] == true { "would be reverted" } else { "reverted" };
    format!(
        "import {}{retries} {verb}: {} withdrawn; {} and details of {} restored; {} and {} withdrawn",
        revert["import_id"].as_str().unwrap_or("-"),
        counted("documents_withdrawn", "document"),
        counted("texts_restored", "text"),
        counted("details_restored", "document"),
        counted("events_withdrawn", "review event"),
        counted("predictions_withdrawn", "prediction"),
    )
}

/// Status of an import that is or was reverted; servers of older versions do not report when a revert ended.
pub(super) fn revert_status(import: &Value) -> Option<&'static str> {
    import["reverted_at"].is_string().then(|| {
        if import["revert_finished_at"] == Value::Null && import.get("revert_finished_at").is_some() { "reverting" } else { "reverted" }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_revert_is_not_shown_as_finished() {
        let status = |import: Value| revert_status(&import);
        assert_eq!(status(json!({ "reverted_at": null, "revert_finished_at": null })), None);
        assert_eq!(status(json!({ "reverted_at": "t", "revert_finished_at": null })), Some("reverting"));
        assert_eq!(status(json!({ "reverted_at": "t", "revert_finished_at": "t" })), Some("reverted"));
        assert_eq!(status(json!({ "reverted_at": "t" })), Some("reverted"), "a server of an older version");
    }

    #[test]
    fn the_effect_is_one_sentence() {
        let mut revert = json!({ "import_id": "i", "retries": ["r"], "dry_run": true, "documents_withdrawn": 13,
                                 "texts_restored": 1, "events_withdrawn": 3600 });
        let text = render(&revert);
        assert_eq!(
            text,
            "import i with a retry of its quarantined tasks would be reverted: 13 documents withdrawn; 1 text and details of 0 documents \
             restored; 3,600 review events and 0 predictions withdrawn"
        );
        revert["dry_run"] = json!(false);
        assert!(render(&revert).contains(" reverted: "));
    }
}
