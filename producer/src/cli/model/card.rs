//! `aprendiz model card`: prints the model card of a version, or stores it as a page for browsers.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use reqwest::{Method, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::http::download::{create_staged, persist};
use crate::cli::http::{Client, decode};
use crate::cli::model::version::find_version;
use crate::cli::terminal::{Output, human_bytes, table};

/// Arguments of `aprendiz model card`.
#[derive(Debug, Args)]
pub(crate) struct CardArgs {
    /// Model name
    name: String,
    /// Version number [default: newest]
    number: Option<i32>,
    /// Store the card with its plots as a page for browsers
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Overwrite FILE if it exists
    #[arg(long, requires = "html")]
    force: bool,
}

/// What the terminal shows of a card; newer cards may have more.
#[derive(Deserialize)]
struct Card {
    summary: String,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    intended_use: Vec<String>,
    #[serde(default)]
    limits: Vec<String>,
    run: Run,
    dataset: Dataset,
    target_accuracy: Option<f64>,
    fields: Vec<Field>,
    champion: Option<Champion>,
    #[serde(default)]
    plots: Vec<Value>,
}

#[derive(Deserialize)]
struct Run {
    id: String,
}

#[derive(Deserialize)]
struct Dataset {
    id: String,
    position: i64,
    examples: i64,
}

#[derive(Deserialize)]
struct Field {
    field: String,
    n: u64,
    metrics: Vec<Metric>,
    threshold: Option<f64>,
}

#[derive(Deserialize)]
struct Metric {
    name: String,
    value: Option<f64>,
    interval: Option<Interval>,
}

#[derive(Deserialize)]
struct Interval {
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Champion {
    number: i32,
    omitted: Option<String>,
    fields: Vec<ComparedField>,
}

#[derive(Deserialize)]
struct ComparedField {
    field: String,
    n: u64,
    metrics: Vec<Difference>,
}

#[derive(Deserialize)]
struct Difference {
    metric: String,
    baseline: Option<f64>,
    candidate: Option<f64>,
    difference: Option<f64>,
    interval: Option<Interval>,
}

pub(crate) async fn run(client: &Client, args: &CardArgs, output: Output) -> Result<(), CliError> {
    let version = find_version(client, &args.name, args.number).await?;
    let number = version.number.to_string();
    let path = ["v1", "models", &version.model, "versions", &number, "card"];
    if let Some(file) = &args.html {
        let bytes = store_page(client, &path, file, args.force).await?;
        let value = json!({ "model": version.model, "number": version.number, "file": file, "bytes": bytes });
        output.print(&value, || format!("{} version {number}: card of {} in {}", version.model, human_bytes(bytes), file.display()))?;
        return Ok(());
    }
    let request = client.request(Method::GET, &path).header(header::ACCEPT, "application/json");
    let value: Value = client.json(request).await?;
    let card: Card = decode(&value, "model card")?;
    output.print(&value, || render(&version.model, version.number, &card))?;
    Ok(())
}

/// Writes the page beside its target first, so that a file with this name is complete.
async fn store_page(client: &Client, path: &[&str], file: &Path, force: bool) -> Result<u64, CliError> {
    if !force && file.try_exists().with_context(|| format!("cannot access {}", file.display()))? {
        return Err(CliError::Failed(anyhow::anyhow!("{} already exists: choose another file, or give --force", file.display())));
    }
    let response = client.send(client.request(Method::GET, path).header(header::ACCEPT, "text/html")).await?;
    let page = response.bytes().await.map_err(|error| client.connection_error(&error))?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut staged = create_staged(directory)?;
    staged.write_all(&page).with_context(|| format!("cannot write {}", file.display()))?;
    persist(staged, file, force)?;
    Ok(page.len() as u64)
}

fn render(model: &str, number: i32, card: &Card) -> String {
    let mut text = format!("{model} version {number}\n{}\n", card.summary);
    for warning in &card.warnings {
        // writing to a String cannot fail
        let _ = writeln!(text, "warning: {warning}");
    }
    push_list(&mut text, "Intended use", &card.intended_use);
    let _ = write!(text, "\nResults on the test split");
    let _ = match card.target_accuracy {
        Some(target) => writeln!(text, " (target accuracy of the answers: {target})"),
        None => writeln!(text),
    };
    text.push_str(&results(card));
    if let Some(champion) = &card.champion {
        let _ = writeln!(text, "\nCompared with the champion, version {}", champion.number);
        match &champion.omitted {
            Some(reason) => {
                let _ = writeln!(text, "not compared: {reason}");
            }
            None => text.push_str(&differences(champion)),
        }
    }
    push_list(&mut text, "Limits", &card.limits);
    let Dataset { id, position, examples } = &card.dataset;
    let _ = write!(text, "\nRun {}, dataset {id} at position {position} with {examples} examples", card.run.id);
    if !card.plots.is_empty() {
        let _ = write!(text, "\n{} plots: `aprendiz model card {model} {number} --html FILE` shows them", card.plots.len());
    }
    text
}

fn push_list(text: &mut String, title: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for sentence in sentences {
        let _ = writeln!(text, "- {sentence}");
    }
}

/// One row per field, with a column for every metric that a field has.
fn results(card: &Card) -> String {
    let mut names: Vec<&str> = Vec::new();
    for metric in card.fields.iter().flat_map(|field| &field.metrics) {
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    let titles: Vec<String> = names.iter().map(|name| name.replace('_', " ")).collect();
    let mut header = vec!["field", "n"];
    header.extend(titles.iter().map(String::as_str));
    if card.target_accuracy.is_some() {
        header.push("threshold");
    }
    let row = |field: &Field| {
        let mut cells = vec![field.field.clone(), field.n.to_string()];
        let metric = |name: &&str| field.metrics.iter().find(|metric| metric.name == *name);
        cells.extend(names.iter().map(|name| metric(name).map_or_else(|| "–".to_owned(), metric_cell)));
        if card.target_accuracy.is_some() {
            cells.push(number(field.threshold));
        }
        cells
    };
    let rows: Vec<Vec<String>> = card.fields.iter().map(row).collect();
    table(&header, &header[1..], &rows) + "\n"
}

fn metric_cell(metric: &Metric) -> String {
    match &metric.interval {
        Some(Interval { low, high }) => format!("{} ({low:.3}–{high:.3})", number(metric.value)),
        None => number(metric.value),
    }
}

/// The differences of the accuracy in percentage points.
fn differences(champion: &Champion) -> String {
    let row = |field: &ComparedField| {
        let accuracy = field.metrics.iter().find(|metric| metric.metric == "accuracy")?;
        let difference = accuracy.difference.map_or_else(|| "–".to_owned(), |difference| format!("{:+.1}", 100.0 * difference));
        let interval = match &accuracy.interval {
            Some(Interval { low, high }) => format!("{:+.1} to {:+.1}", 100.0 * low, 100.0 * high),
            None => "–".to_owned(),
        };
        Some(vec![field.field.clone(), field.n.to_string(), number(accuracy.baseline), number(accuracy.candidate), difference, interval])
    };
    let rows: Vec<Vec<String>> = champion.fields.iter().filter_map(row).collect();
    let header = ["field", "n", "champion", "this version", "points", "95 % interval"];
    table(&header, &header[1..], &rows) + "\n"
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_shown_with_its_warnings_results_and_comparison() {
        let accuracy = json!({ "name": "accuracy", "value": 0.9, "interval": { "low": 0.8, "high": 0.95 } });
        let interval = json!({ "low": 0.02, "high": 0.18 });
        let compared = json!({ "metric": "accuracy", "baseline": 0.8, "candidate": 0.9, "difference": 0.1, "interval": interval });
        let undefined = json!({ "name": "macro_f1", "value": null, "interval": null });
        let card: Card = serde_json::from_value(json!({
            "v": 1, "summary": "A classifier.", "warnings": ["few examples"],
            "intended_use": ["Suggests values."], "limits": ["Only texts."],
            "run": { "id": "r" }, "dataset": { "id": "d", "position": 7, "examples": 40 }, "target_accuracy": 0.95,
            "fields": [{ "field": "law", "n": 30, "metrics": [accuracy, undefined], "threshold": null }],
            "champion": { "number": 2, "omitted": null, "fields": [{ "field": "law", "n": 30, "metrics": [compared] }] },
            "plots": [{}, {}],
        }))
        .unwrap();
        let text = render("contracts", 3, &card);
        for part in [
            "contracts version 3",
            "warning: few examples",
            "0.900 (0.800–0.950)",
            "version 2",
            "+10.0",
            "+2.0 to +18.0",
            "2 plots",
            "- Only texts.",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let omitted = Champion { number: 2, omitted: Some("no common field".to_owned()), fields: Vec::new() };
        let text = render("contracts", 3, &Card { champion: Some(omitted), ..card });
        assert!(text.contains("not compared: no common field"), "{text}");
    }
}
