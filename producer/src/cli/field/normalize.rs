//! `aprendiz field normalize`.

use std::io::{self, IsTerminal as _};

use aprendiz_text::count;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, confirm, table};

/// Arguments of `aprendiz field normalize`.
#[derive(Debug, Args)]
pub(crate) struct NormalizeArgs {
    /// Field name
    name: String,
    /// Show which values would change without changing them
    #[arg(long)]
    dry_run: bool,
    /// Skip the confirmation prompt
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(client: &Client, args: &NormalizeArgs, output: Output) -> Result<(), CliError> {
    if !args.dry_run && !args.yes && io::stdin().is_terminal() {
        let preview = request(client, &args.name, true).await?;
        let changes = preview["values"].as_u64().unwrap_or_default();
        if changes > 0 && !confirm(&format!("{}\nChange these values?", render(&preview)))? {
            return Err(CliError::Refused("no values were changed".to_owned()));
        }
    }
    let summary = request(client, &args.name, args.dry_run).await?;
    output.print(&summary, || render(&summary))?;
    Ok(())
}

async fn request(client: &Client, name: &str, dry_run: bool) -> Result<Value, CliError> {
    let request = client.long_request(Method::POST, &["v1", "fields", name, "normalize"]);
    client.json(request.query(&[("dry_run", dry_run.to_string())])).await
}

fn render(summary: &Value) -> String {
    let number = |key: &str| summary[key].as_u64().unwrap_or_default();
    let verb = if summary["dry_run"] == true { "would change" } else { "normalized" };
    let mut text = format!(
        "{verb} {} in {} and {}",
        count(number("values"), "spelling"),
        count(number("reviews"), "review"),
        count(number("predictions"), "prediction")
    );
    let changes = summary["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !changes.is_empty() {
        let value = |value: &Value| {
            let values: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            values.join(" | ")
        };
        let rows: Vec<Vec<String>> = changes
            .iter()
            .map(|change| {
                vec![value(&change["from"]), value(&change["to"]), change["reviews"].to_string(), change["predictions"].to_string()]
            })
            .collect();
        text.push_str("\n\n");
        text.push_str(&table(&["from", "to", "reviews", "predictions"], &["reviews", "predictions"], &rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_listed() {
        let text = render(&json!({
            "values": 1, "reviews": 2, "predictions": 3, "dry_run": true,
            "changes": [{ "from": ["NY"], "to": ["New York"], "reviews": 2, "predictions": 3 }],
        }));
        assert!(text.starts_with("would change 1 spelling in 2 reviews and 3 predictions\n"), "{text}");
        assert!(text.contains("NY    New York        2            3"), "{text}");
    }
}
