//! `aprendiz dataset list`.

use clap::Args;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::{Client, fetch_list};
use crate::cli::terminal::{Output, human_bytes, table, text_cell};

/// Length of a key in the table, in characters.
const KEY_CHARS: usize = 12;

/// Arguments of `aprendiz dataset list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  aprendiz dataset list\n  aprendiz dataset list --limit 5 -o json")]
pub(crate) struct ListArgs {
    /// Maximum number of snapshots to list; 0 lists all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(client: &Client, args: &ListArgs, output: Output) -> Result<(), CliError> {
    let listed = fetch_list(client, &["v1", "datasets"], &[], args.limit).await?;
    output.print(&listed.items, || render(&listed.items))?;
    listed.print_hint();
    Ok(())
}

fn render(datasets: &[Value]) -> String {
    let rows: Vec<Vec<String>> = datasets
        .iter()
        .map(|dataset| {
            let split = |name: &str| dataset["splits"][name].as_u64().map_or("-".to_owned(), |count| count.to_string());
            let runs = dataset["runs"].as_u64().unwrap_or_default();
            let latest = text_cell(&dataset["latest_runs"][0]);
            let used_by = match runs {
                0 => "-".to_owned(),
                1 => latest,
                _ => format!("{latest} and {} more", runs - 1),
            };
            let created: String = text_cell(&dataset["created_at"]).chars().take(10).collect();
            vec![
                text_cell(&dataset["id"]),
                text_cell(&dataset["key"]).chars().take(KEY_CHARS).collect(),
                dataset["position"].to_string(),
                split("train"),
                split("validation"),
                split("test"),
                if dataset["erased_at"].is_null() {
                    human_bytes(dataset["bytes"].as_u64().unwrap_or_default())
                } else {
                    "erased".to_owned()
                },
                created,
                used_by,
            ]
        })
        .collect();
    let header = ["dataset", "key", "position", "train", "validation", "test", "size", "created", "used by"];
    table(&header, &["position", "train", "validation", "test", "size"], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn size_counts_and_runs_are_shown() {
        let dataset = json!({ "id": "d", "key": "0123456789abcdef", "position": 7, "splits": { "train": 70, "validation": 15, "test": 15 },
                              "bytes": 2048, "runs": 3, "latest_runs": ["r3"], "created_at": "2026-11-01T00:00:00Z", "erased_at": null });
        let text = render(std::slice::from_ref(&dataset));
        assert!(text.contains("2.00 KiB") && text.contains("r3 and 2 more") && text.contains("0123456789ab "), "{text}");
        let erased = json!({ "erased_at": "2026-11-01T00:00:00Z", "runs": 0, "position": 1 });
        assert!(render(&[erased]).contains("erased"));
    }
}
