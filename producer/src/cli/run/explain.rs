//! `aprendiz run explain`.

use serde::Deserialize;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::terminal::Output;

/// An explanation of the server.
#[derive(Debug, Deserialize)]
pub(super) struct Explanation {
    pub(super) status: String,
    pub(super) summary: String,
    facts: Vec<String>,
    pub(super) next_steps: Vec<String>,
}

impl Explanation {
    /// Status and reason. A reason that begins with the status is not preceded by it.
    pub(super) fn first_line(&self) -> String {
        let Self { status, summary, .. } = self;
        if summary.starts_with(status.as_str()) { summary.clone() } else { format!("{status}: {summary}") }
    }
}

pub(crate) async fn run(client: &Client, id: Uuid, output: Output) -> Result<(), CliError> {
    let value = client.get(&["v1", "training-runs", &id.to_string(), "explain"]).await?;
    let explanation: Explanation = decode(&value, "explanation")?;
    output.print(&value, || render(&explanation))?;
    Ok(())
}

fn render(explanation: &Explanation) -> String {
    let mut lines = vec![explanation.first_line()];
    for (title, sentences) in [("facts", &explanation.facts), ("next steps", &explanation.next_steps)] {
        if !sentences.is_empty() {
            lines.push(format!("\n{title}"));
            lines.extend(sentences.iter().map(|sentence| format!("  - {sentence}")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_comes_first_and_empty_sections_are_omitted() {
        let explanation = Explanation {
            status: "queued".to_owned(),
            summary: "no worker is alive".to_owned(),
            facts: Vec::new(),
            next_steps: vec!["start a worker".to_owned()],
        };
        assert_eq!(render(&explanation), "queued: no worker is alive\n\nnext steps\n  - start a worker");
        let failed = Explanation { status: "failed".to_owned(), summary: "failed: no trainable field".to_owned(), ..explanation };
        assert_eq!(failed.first_line(), "failed: no trainable field");
    }
}
