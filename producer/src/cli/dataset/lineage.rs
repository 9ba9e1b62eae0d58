//! Lineage of datasets, documents and model versions, rendered as text.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::dataset::render::{document_name, format_value};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, format_time_value, id_value_cell, items, table, time_value_cell};

fn rows<const N: usize>(list: &Value, keys: [&str; N]) -> Vec<Vec<String>> {
    // keys of times and IDs have these ends
    let cell = |row: &Value, key: &str| match key {
        _ if key.ends_with("_at") => time_value_cell(&row[key]),
        _ if key == "id" || key.ends_with("_id") => id_value_cell(&row[key]),
        _ => format_value(&row[key]),
    };
    items(list).map(|row| keys.map(|key| cell(row, key)).to_vec()).collect()
}

/// Renders the lineage of a snapshot: reviewers and sources, runs and model versions.
pub(crate) fn render_dataset(found: &Value) -> String {
    let mut text = format!(
        "dataset {}, built {}, position {}\n",
        format_value(&found["dataset_id"]),
        format_time_value(&found["created_at"]),
        found["position"]
    );
    if !found["erased_at"].is_null() {
        let _ = writeln!(text, "its files were deleted at {}: a document in it was erased", format_time_value(&found["erased_at"]));
    }
    let parts: [(&[&str], Vec<Vec<String>>); 5] = [
        (&["reviewer", "values", "first", "last"], rows(&found["reviewers"], ["reviewer", "values", "first_at", "last_at"])),
        (&["source", "project", "documents"], rows(&found["documents"], ["source", "project", "documents"])),
        (&["value source", "values"], rows(&found["values"], ["source", "values"])),
        (&["run", "kind", "model", "status", "created by"], rows(&found["runs"], ["id", "kind", "model", "status", "created_by"])),
        (&["model", "version", "run", "published"], rows(&found["versions"], ["model", "number", "run_id", "published_at"])),
    ];
    for (header, rows) in parts.iter().filter(|(_, rows)| !rows.is_empty()) {
        let _ = write!(text, "\n{}", table(header, &["values", "documents", "version"], rows));
    }
    text
}

/// Renders the lineage of a document: snapshots, runs and model versions to retire.
pub(crate) fn render_document(found: &Value) -> String {
    let mut text = format!("document {}\n", document_name(found));
    let erased = &found["erased"];
    if !erased.is_null() {
        let [actor, reason] = ["actor", "reason"].map(|key| format_value(&erased[key]));
        let at = format_time_value(&erased["erased_at"]);
        let _ = writeln!(text, "erased at {at} by {actor}: {reason}");
    }
    let snapshots: Vec<Vec<String>> = items(&found["snapshots"])
        .map(|snapshot| {
            let runs = items(&snapshot["runs"]).map(|run| format!("{} ({})", id_value_cell(&run["id"]), format_value(&run["status"])));
            let runs = runs.collect::<Vec<_>>().join(", ");
            vec![id_value_cell(&snapshot["dataset_id"]), format_value(&snapshot["split"]), time_value_cell(&snapshot["created_at"]), runs]
        })
        .collect();
    if snapshots.is_empty() {
        text.push_str("No snapshot contains this document.\n");
    } else {
        let _ = write!(text, "\n{}", table(&["dataset", "split", "built", "runs"], &[], &snapshots));
    }
    let retire = rows(&found["retire"], ["model", "number", "run_id", "reason"]);
    if !retire.is_empty() {
        let _ = write!(text, "\n{}", table(&["model", "version", "run", "reason to retire"], &["version"], &retire));
    }
    text
}

/// Prints the lineage of a model version: run, snapshot and reviewers.
pub(crate) async fn print_model_lineage(client: &Client, name: &str, number: i32, output: Output) -> Result<(), CliError> {
    let version = client.get(&["v1", "models", name, "versions", &number.to_string()]).await?;
    let [run, dataset] = ["run_id", "dataset_id"].map(|key| format_value(&version[key]));
    let run = client.get(&["v1", "training-runs", &run]).await?;
    let dataset = client.get(&["v1", "datasets", &dataset, "lineage"]).await?;
    let found = json!({ "version": version, "run": run, "dataset": dataset });
    output.print(&found, || {
        let [id, created_by] = ["id", "created_by"].map(|key| format_value(&run[key]));
        let created_at = format_time_value(&run["created_at"]);
        format!("{name} version {number}\nrun {id}, created by {created_by} at {created_at}\n{}", render_dataset(&dataset))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_lineage_lists_snapshots_and_versions_to_retire() {
        let found = json!({
            "document_id": "d", "document": "label-studio/2/5", "erased": null,
            "snapshots": [{ "dataset_id": "s", "split": "test", "created_at": "t", "runs": [{ "id": "r", "status": "succeeded" }] }],
            "retire": [{ "model": "contracts", "number": 2, "run_id": "r", "reason": "measured on it" }],
        });
        let text = render_document(&found);
        assert!(text.starts_with("document label-studio/2/5\n"), "{text}");
        assert!(text.contains("s        test   t      r (succeeded)\n"), "{text}");
        assert!(text.ends_with("contracts        2  r    measured on it\n"), "{text}");
    }
}
