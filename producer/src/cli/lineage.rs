//! Where data and models come from and went, as text for people.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::dataset_text::{items, words};
use crate::cli::exit::CliError;
use crate::cli::output::{Output, table};

fn rows<const N: usize>(list: &Value, keys: [&str; N]) -> Vec<Vec<String>> {
    items(list).map(|row| keys.map(|key| words(&row[key])).to_vec()).collect()
}

/// Where a snapshot comes from, and what was made of it.
pub(crate) fn dataset_text(found: &Value) -> String {
    let mut text =
        format!("dataset {}, built {}, position {}\n", words(&found["dataset_id"]), words(&found["created_at"]), found["position"]);
    if !found["erased_at"].is_null() {
        let _ = writeln!(text, "its files were given up at {}: a document in it was erased", words(&found["erased_at"]));
    }
    let parts: [(&[&str], Vec<Vec<String>>); 5] = [
        (&["reviewer", "values", "first", "last"], rows(&found["reviewers"], ["reviewer", "values", "first_at", "last_at"])),
        (&["source", "project", "documents"], rows(&found["documents"], ["source", "project", "documents"])),
        (&["source of values", "values"], rows(&found["values"], ["source", "values"])),
        (&["run", "kind", "model", "status", "created by"], rows(&found["runs"], ["id", "kind", "model", "status", "created_by"])),
        (&["model", "version", "run", "published"], rows(&found["versions"], ["model", "number", "run_id", "published_at"])),
    ];
    for (heading, rows) in parts.iter().filter(|(_, rows)| !rows.is_empty()) {
        let _ = write!(text, "\n{}", table(heading, &["values", "documents", "version"], rows));
    }
    text
}

/// What a document went into.
pub(crate) fn document_text(found: &Value) -> String {
    let mut text = format!("document {}\n", words(&found["document_id"]));
    let erased = &found["erased"];
    if !erased.is_null() {
        let [actor, at, reason] = ["actor", "erased_at", "reason"].map(|key| words(&erased[key]));
        let _ = writeln!(text, "erased at {at} by {actor}: {reason}");
    }
    let snapshots: Vec<Vec<String>> = items(&found["snapshots"])
        .map(|snapshot| {
            let runs = items(&snapshot["runs"]).map(|run| format!("{} ({})", words(&run["id"]), words(&run["status"])));
            let runs = runs.collect::<Vec<_>>().join(", ");
            vec![words(&snapshot["dataset_id"]), words(&snapshot["split"]), words(&snapshot["created_at"]), runs]
        })
        .collect();
    if snapshots.is_empty() {
        text.push_str("No snapshot holds it.\n");
    } else {
        let _ = write!(text, "\n{}", table(&["dataset", "split", "built", "runs"], &[], &snapshots));
    }
    let retire = rows(&found["retire"], ["model", "number", "run_id", "reason"]);
    if !retire.is_empty() {
        let _ = write!(text, "\n{}", table(&["model", "version", "run", "what it knows of it"], &["version"], &retire));
    }
    text
}

/// From a model version to its run, its snapshot and its reviewers.
pub(crate) async fn of_model(client: &Client, name: &str, number: i32, output: Output) -> Result<(), CliError> {
    let version = client.get(&["v1", "models", name, "versions", &number.to_string()]).await?;
    let [run, dataset] = ["run_id", "dataset_id"].map(|key| words(&version[key]));
    let run = client.get(&["v1", "training-runs", &run]).await?;
    let dataset = client.get(&["v1", "datasets", &dataset, "lineage"]).await?;
    let found = json!({ "version": version, "run": run, "dataset": dataset });
    output.print(&found, || {
        let [id, created_by, created_at] = ["id", "created_by", "created_at"].map(|key| words(&run[key]));
        format!("{name} version {number}\nrun {id}, created by {created_by} at {created_at}\n{}", dataset_text(&dataset))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_tells_its_snapshots_and_what_to_retire() {
        let found = json!({
            "document_id": "d", "erased": null,
            "snapshots": [{ "dataset_id": "s", "split": "test", "created_at": "t", "runs": [{ "id": "r", "status": "succeeded" }] }],
            "retire": [{ "model": "contracts", "number": 2, "run_id": "r", "reason": "measured on it" }],
        });
        let text = document_text(&found);
        assert!(text.contains("s        test   t      r (succeeded)\n"), "{text}");
        assert!(text.ends_with("contracts        2  r    measured on it\n"), "{text}");
    }
}
