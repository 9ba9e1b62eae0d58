//! `aprendiz model thresholds`: shows the thresholds of a version, and changes their target accuracy without training.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::model::version::find_version;
use crate::cli::terminal::target_table::{FieldTargets, Target, coverage, format_target, target_table};
use crate::cli::terminal::{Output, table, time_cell};

/// Arguments of `aprendiz model thresholds`.
#[derive(Debug, Args)]
pub(crate) struct ThresholdsArgs {
    /// Model name
    name: String,
    /// Version number [default: newest]
    #[arg(long)]
    number: Option<i32>,
    /// New target accuracy, between 0 and 1; without it, nothing is changed
    #[arg(long, value_name = "ACCURACY")]
    target: Option<f64>,
    /// Field to change; may be repeated [default: all fields]
    #[arg(long = "field", value_name = "FIELD", requires = "target")]
    fields: Vec<String>,
}

#[derive(Deserialize)]
struct View {
    model: String,
    number: i32,
    revision: i32,
    fields: Vec<Field>,
    history: Vec<Event>,
}

#[derive(Deserialize)]
struct Field {
    field: String,
    original: Target,
    current: Target,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Event {
    revision: i32,
    field: String,
    from_target: f64,
    from_threshold: Option<f64>,
    target: f64,
    threshold: Option<f64>,
    actor: String,
    at: DateTime<Utc>,
}

pub(crate) async fn run(client: &Client, args: &ThresholdsArgs, output: Output) -> Result<(), CliError> {
    let version = find_version(client, &args.name, args.number).await?;
    let number = version.number.to_string();
    let path = ["v1", "models", &version.model, "versions", &number, "thresholds"];
    let mut thresholds = client.get(&path).await?;
    if let Some(target) = args.target {
        let view: View = decode(&thresholds, "thresholds")?;
        let fields = (!args.fields.is_empty()).then_some(&args.fields);
        let change = json!({ "target": target, "fields": fields, "revision": view.revision });
        thresholds = client.json::<Value>(client.request(Method::PUT, &path).json(&change)).await?;
    }
    let view: View = decode(&thresholds, "thresholds")?;
    output.print(&thresholds, || render(view))?;
    Ok(())
}

/// One line for every field whose threshold was changed since the version was published, for commands that show the published files.
pub(crate) async fn describe_changes(client: &Client, name: &str, number: i32) -> Result<(Value, String), CliError> {
    let thresholds = client.get(&["v1", "models", name, "versions", &number.to_string(), "thresholds"]).await?;
    let view: View = decode(&thresholds, "thresholds")?;
    let mut text = String::new();
    if view.revision > 0 {
        for Field { field, original, current, .. } in &view.fields {
            let _ = write!(
                text,
                "\n{field}: the files have threshold {} (target {}); predictions use {} (target {})",
                threshold(original.threshold),
                format_target(original.target),
                threshold(current.threshold),
                format_target(current.target)
            );
        }
    }
    Ok((thresholds, text))
}

fn render(view: View) -> String {
    let rows: Vec<Vec<String>> = view
        .fields
        .iter()
        .map(|Field { field, original, current, .. }| {
            vec![
                field.clone(),
                format_target(current.target),
                threshold(current.threshold),
                coverage(current),
                current.lower_bound.map_or_else(|| "–".to_owned(), |bound| format!("{bound:.3}")),
                format_target(original.target),
                threshold(original.threshold),
            ]
        })
        .collect();
    let header = ["field", "target", "threshold", "coverage", "lower bound", "published target", "published threshold"];
    let mut text = format!("{} version {}, thresholds of revision {}\n", view.model, view.number, view.revision);
    text.push_str(&table(&header, &header[1..], &rows));
    let fields: Vec<FieldTargets> = view
        .fields
        .into_iter()
        .map(|Field { field, current, mut targets, .. }| {
            if !targets.is_empty() && targets.iter().all(|target| target.target != current.target) {
                targets.push(current);
            }
            FieldTargets { field, targets }
        })
        .collect();
    if fields.iter().all(|field| field.targets.is_empty()) {
        text.push_str("\nno scores of unseen examples are stored with this version: train again for other targets\n");
    } else {
        let _ = write!(text, "\n{}", target_table(&fields, |_, _| true));
    }
    if !view.history.is_empty() {
        let rows: Vec<Vec<String>> = view.history.iter().map(event_row).collect();
        let _ = write!(text, "\nchanges\n{}", table(&["revision", "at", "by", "field", "from", "to"], &["revision"], &rows));
    }
    text
}

fn event_row(event: &Event) -> Vec<String> {
    let describe = |target: f64, value: Option<f64>| format!("{} ({})", format_target(target), threshold(value));
    vec![
        event.revision.to_string(),
        time_cell(event.at),
        event.actor.clone(),
        event.field.clone(),
        describe(event.from_target, event.from_threshold),
        describe(event.target, event.threshold),
    ]
}

fn threshold(value: Option<f64>) -> String {
    value.map_or_else(|| "unreachable".to_owned(), |value| format!("{value:.4}"))
}
