//! `aprendiz run explain`: the run in words.

use anyhow::Context as _;
use serde::Deserialize;
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::Output;

#[derive(Debug, Deserialize)]
struct Explanation {
    status: String,
    summary: String,
    facts: Vec<String>,
    next_steps: Vec<String>,
}

pub(crate) async fn run(client: &Client, id: Uuid, output: Output) -> Result<(), CliError> {
    let value = client.get(&["v1", "training-runs", &id.to_string(), "explain"]).await?;
    let explanation =
        Explanation::deserialize(&value).context("the API explained it in a way that is not from this version of Aprendiz")?;
    output.print(&value, || text(&explanation))?;
    Ok(())
}

fn text(explanation: &Explanation) -> String {
    let mut lines = vec![format!("{}: {}", explanation.status, explanation.summary)];
    for (heading, sentences) in [("facts", &explanation.facts), ("what to do", &explanation.next_steps)] {
        if !sentences.is_empty() {
            lines.push(format!("\n{heading}"));
            lines.extend(sentences.iter().map(|sentence| format!("  - {sentence}")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_comes_first_and_empty_parts_are_left_out() {
        let explanation = Explanation {
            status: "queued".to_owned(),
            summary: "no worker is alive".to_owned(),
            facts: Vec::new(),
            next_steps: vec!["start a worker".to_owned()],
        };
        assert_eq!(text(&explanation), "queued: no worker is alive\n\nwhat to do\n  - start a worker");
    }
}
