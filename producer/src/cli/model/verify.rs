//! `aprendiz model verify`: trains a version again, and compares the files.

use anyhow::anyhow;
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::arguments::WaitArgs;
use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::run::print_created_run;
use crate::cli::run::view::RunView;
use crate::cli::run::watch::wait_until_ended;
use crate::cli::terminal::{Output, print_message, print_note, table};

/// Arguments of `aprendiz model verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Creates a run with the spec, seed and snapshot of the version and prints its ID. With --wait, prints what the comparison found; the exit code is
1 unless all files are identical. `model versions` shows the latest result.

Examples:
  aprendiz model verify contracts 3
  aprendiz model verify contracts 3 --wait")]
pub(crate) struct VerifyArgs {
    /// Model name
    name: String,
    /// Version number
    number: i32,
    #[command(flatten)]
    wait: WaitArgs,
}

/// What a verification found.
#[derive(Debug, Deserialize)]
struct Verification {
    result: String,
    compared: u64,
    files: Vec<DifferingFile>,
    reasons: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct DifferingFile {
    path: String,
    published: Option<String>,
    trained: Option<String>,
}

pub(super) async fn run(client: &Client, args: &VerifyArgs, output: Output) -> Result<(), CliError> {
    let VerifyArgs { name, number, wait } = args;
    let number = number.to_string();
    let path = ["v1", "models", name, "versions", &number];
    let created: Value = client.json(client.request(Method::POST, &[&path[..], &["verify"]].concat())).await?;
    if !wait.wait {
        return print_created_run(client, &created, *wait, output).await;
    }
    let run = RunView::parse(&created)?;
    print_note(&format!("run {} trains {name} version {number} again", run.id));
    let ended = RunView::parse(&wait_until_ended(client, run.id, output).await?)?;
    if ended.status != "succeeded" {
        print_message(&format!("run {} {}", ended.id, ended.outcome()));
        return Err(CliError::RunEnded);
    }
    // of this run: another verification may have recorded its result in the version meanwhile
    let metrics = client.get(&["v1", "training-runs", &run.id.to_string(), "metrics"]).await?;
    let found = metrics["items"].as_array().into_iter().flatten().find(|metric| metric["name"] == "verification_identical");
    let details = found.map(|metric| metric["details"].clone()).unwrap_or_default();
    let verification: Verification = decode(&details, "verification")?;
    output.print(&details, || render(name, &number, &verification))?;
    match verification.result.as_str() {
        "identical" => Ok(()),
        _ => Err(CliError::Failed(anyhow!("{name} version {number} was not reproduced: {}", verification.describe()))),
    }
}

impl Verification {
    fn describe(&self) -> String {
        let result = self.result.replace('_', " ");
        if self.reasons.is_empty() { result } else { format!("{result}; {}", self.reasons.join("; ")) }
    }
}

fn render(name: &str, number: &str, verification: &Verification) -> String {
    let Verification { compared, files, .. } = verification;
    let mut text = format!("{name} version {number}: {} ({compared} files compared)", verification.describe());
    if !files.is_empty() {
        let hash = |hash: &Option<String>| hash.as_deref().map_or("missing".to_owned(), |hash| hash.chars().take(16).collect());
        let rows: Vec<Vec<String>> = files.iter().map(|file| vec![file.path.clone(), hash(&file.published), hash(&file.trained)]).collect();
        text.push('\n');
        text.push_str(&table(&["file", "published", "trained again"], &[], &rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_files_are_listed_with_both_hashes() {
        let file = DifferingFile { path: "config.json".to_owned(), published: Some("a".repeat(64)), trained: None };
        let verification =
            Verification { result: "different".to_owned(), compared: 5, files: vec![file], reasons: vec!["another build".to_owned()] };
        let text = render("contracts", "3", &verification);
        assert!(text.starts_with("contracts version 3: different; another build (5 files compared)"), "{text}");
        assert!(text.contains("aaaaaaaaaaaaaaaa ") && text.contains("missing"), "{text}");
    }
}
