//! `aprendiz run create --dry-run`, and the projects that a new run learns from.

use aprendiz_text::count;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, print_note, table};

/// Rare labels and labels listed for a field.
const MAX_LABELS: usize = 10;

/// Prints what a run of this spec would learn.
pub(super) async fn print_preview(client: &Client, spec: &Value, output: Output) -> Result<(), CliError> {
    let preview: Value = client.json(client.long_request(Method::POST, &["v1", "training-runs", "preview"]).json(spec)).await?;
    output.print(&preview, || render(&preview))?;
    Ok(())
}

#[derive(Deserialize)]
struct Project {
    source: String,
    project: String,
}

/// Names the projects of a run without a list of documents, if there are several. The run exists already, so a failure only hides them.
pub(super) async fn name_projects(client: &Client, spec: &Value) {
    let data = &spec["data"];
    if !data["documents"].is_null() || spec["kind"] == "predict" {
        return;
    }
    let Ok(page) = client.get(&["v1", "projects"]).await else { return };
    let projects: Vec<Project> = serde_json::from_value(page["items"].clone()).unwrap_or_default();
    let selects = |filter: &Value, name: &str| filter.as_str().is_none_or(|filter| filter == name);
    let names: Vec<String> = projects
        .into_iter()
        .filter(|project| selects(&data["filter"]["source"], &project.source) && selects(&data["filter"]["project"], &project.project))
        .map(|project| format!("{}/{}", project.source, project.project))
        .collect();
    if names.len() > 1 {
        let shown = names.iter().take(MAX_LABELS).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > MAX_LABELS { format!(" and {} more", names.len() - MAX_LABELS) } else { String::new() };
        print_note(&format!("the run learns from {} projects: {shown}{more}; --source and --project select one", names.len()));
    }
}

fn render(preview: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let counts = |value: &Value| ["train", "validation", "test"].map(|split| value[split].as_i64().unwrap_or_default().to_string());
    let [train, validation, test] = counts(&preview["examples"]);
    let mut lines = vec![format!("position {}: {train} train, {validation} validation and {test} test examples", preview["position"])];
    let projects = preview["projects"].as_array().into_iter().flatten();
    lines.extend(projects.map(|project| {
        let examples = count(project["examples"].as_u64().unwrap_or_default(), "example");
        format!("  {}/{}: {examples}", text(&project["source"]), text(&project["project"]))
    }));
    let mut rows = Vec::new();
    for (name, field) in preview["fields"].as_object().into_iter().flatten() {
        let state = if field["is_trained"] == true { "yes".to_owned() } else { text(&field["reason"]) };
        rows.push([vec![name.clone(), String::new()], counts(&field["examples"]).to_vec(), vec![state]].concat());
        let labels = field["labels"].as_array().map(Vec::as_slice).unwrap_or_default();
        for label in labels.iter().take(MAX_LABELS) {
            let rare = if label["is_rare"] == true { "too rare" } else { "" };
            let shown = label["label"].as_str().unwrap_or("∅").to_owned();
            rows.push([vec![String::new(), shown], counts(&label["examples"]).to_vec(), vec![rare.to_owned()]].concat());
        }
        if labels.len() > MAX_LABELS {
            rows.push(vec![String::new(), count((labels.len() - MAX_LABELS) as u64, "more label")]);
        }
    }
    lines.push(String::new());
    lines.push(table(&["field", "label", "train", "validation", "test", "trained"], &["train", "validation", "test"], &rows));
    lines.extend(preview["warnings"].as_array().into_iter().flatten().map(|warning| format!("warning: {}", text(warning))));
    lines.push(match preview["estimated_seconds"].as_f64() {
        Some(seconds) => format!("estimated duration: {seconds:.0} s, the median of earlier runs"),
        None => "estimated duration: unknown, there are no earlier runs of this kind".to_owned(),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_preview_shows_labels_warnings_and_an_unknown_duration() {
        let preview = json!({
            "position": 7, "examples": { "train": 3, "validation": 1, "test": 0 },
            "projects": [{ "source": "label-studio", "project": "1", "examples": 4 }],
            "fields": { "law": { "examples": { "train": 3, "validation": 1, "test": 0 }, "is_trained": true, "reason": null,
                "labels": [{ "label": null, "examples": { "train": 1, "validation": 0, "test": 0 }, "is_rare": true }] } },
            "warnings": ["no test examples: nothing can be measured"], "estimated_seconds": null,
        });
        let text = render(&preview);
        for part in ["3 train, 1 validation and 0 test", "label-studio/1: 4 examples", "∅", "too rare", "warning: no test", "unknown"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
