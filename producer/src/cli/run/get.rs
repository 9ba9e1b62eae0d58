//! `aprendiz run get`: a run with its attempts and metrics.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::metric_warnings::metric_warnings;
use crate::cli::run::metrics_table::{Metric, metrics_table};
use crate::cli::run::view::RunView;
use crate::cli::sweep::trials::{Trial, trials_table};
use crate::cli::tags::format_tags;
use crate::cli::terminal::{Output, format_time, table, time_cell};

#[derive(Debug, Deserialize)]
struct Attempt {
    number: i32,
    host: String,
    status: String,
    started_at: chrono::DateTime<chrono::Utc>,
    finished_at: Option<chrono::DateTime<chrono::Utc>>,
    error_code: Option<String>,
    error_text: Option<String>,
}

pub(crate) async fn run(client: &Client, id: Uuid, output: Output) -> Result<(), CliError> {
    let id = id.to_string();
    let mut run = client.get(&["v1", "training-runs", &id]).await?;
    let attempts = client.get(&["v1", "training-runs", &id, "attempts"]).await?["items"].take();
    let trials =
        if run["kind"] == "sweep" { client.get(&["v1", "training-runs", &id, "trials"]).await?["items"].take() } else { json!([]) };
    let parsed_trials: Vec<Trial> = serde_json::from_value(trials.clone()).context("unexpected trials in the API response")?;
    // the metrics of a sweep are those of the version that it published
    let winner = parsed_trials.iter().find(|trial| trial.is_winner()).map(|trial| trial.run_id.to_string());
    let metrics = client.get(&["v1", "training-runs", winner.as_ref().unwrap_or(&id), "metrics"]).await?["items"].take();
    let text = {
        let view = RunView::parse(&run)?;
        let attempts: Vec<Attempt> = serde_json::from_value(attempts.clone()).context("unexpected attempts in the API response")?;
        let metrics: Vec<Metric> = serde_json::from_value(metrics.clone()).context("unexpected metrics in the API response")?;
        render(&view, &attempts, &parsed_trials, &metrics)
    };
    if let Some(run) = run.as_object_mut() {
        run.insert("attempts".to_owned(), attempts);
        run.insert("metrics".to_owned(), metrics);
        if run["kind"] == "sweep" {
            run.insert("trial_runs".to_owned(), trials);
        }
    }
    output.print(&json!(run), || text)?;
    Ok(())
}

fn render(run: &RunView, attempts: &[Attempt], trials: &[Trial], metrics: &[Metric]) -> String {
    let mut facts = vec![
        ("run", run.id.to_string()),
        ("status", run.outcome()),
        ("kind", run.kind_label()),
        ("model", run.model.clone()),
        ("documents", run.selection()),
        ("priority", run.priority.to_string()),
        ("attempts", format!("{} of {}", run.attempts_used, run.max_attempts)),
        ("created", format!("{} by {}", format_time(run.created_at), run.created_by)),
    ];
    facts.extend(run.queue.clone().filter(|queue| queue != "default").map(|queue| ("queue", queue)));
    facts.extend((!run.requires.is_empty()).then(|| ("requires", run.requires.join(", "))));
    facts.extend(run.parent_run_id.map(|id| ("child of", id.to_string())));
    facts.extend(run.dataset_id.map(|id| ("dataset", id.to_string())));
    facts.extend(format_tags(&run.tags).map(|tags| ("tags", tags)));
    facts.extend(run.note.clone().map(|note| ("note", note.replace('\n', "\n           "))));
    facts.extend(run.duration().map(|duration| ("duration", duration)));
    let mut text: String =
        with_metric_warnings(&run.warnings, metric_warnings(metrics)).iter().map(|warning| format!("warning: {warning}\n")).collect();
    for (name, value) in facts {
        let _ = writeln!(text, "{name:<10} {value}");
    }
    if !trials.is_empty() {
        text.push('\n');
        text.push_str(&trials_table(trials, run.spec["params"]["metric"].as_str().unwrap_or("metric")));
    }
    // a sweep has an attempt for each step, which says nothing unless one failed
    if run.kind != "sweep" && !attempts.is_empty() {
        let rows: Vec<Vec<String>> = attempts.iter().map(attempt_row).collect();
        text.push('\n');
        text.push_str(&table(&["attempt", "status", "host", "started", "seconds", "error"], &["attempt", "seconds"], &rows));
    }
    if let Some(table) = metrics_table(metrics) {
        text.push('\n');
        text.push_str(&table);
    }
    text
}

/// The warnings of the server, and those that follow from the metrics and are not among them: versions of older releases have fewer.
fn with_metric_warnings(recorded: &[String], derived: Vec<String>) -> Vec<String> {
    const UNMEASURED: &str = "nothing was measured:";
    let known = |warning: &String| {
        recorded
            .iter()
            .any(|other| other.starts_with(warning.as_str()) || (other.starts_with(UNMEASURED) && warning.starts_with(UNMEASURED)))
    };
    let new: Vec<String> = derived.into_iter().filter(|warning| !known(warning)).collect();
    let (first, rest): (Vec<String>, Vec<String>) = new.into_iter().partition(|warning| warning.starts_with(UNMEASURED));
    first.into_iter().chain(recorded.iter().cloned()).chain(rest).collect()
}

fn attempt_row(attempt: &Attempt) -> Vec<String> {
    let seconds = attempt.finished_at.map(|end| format!("{:.1}", (end - attempt.started_at).num_milliseconds() as f64 / 1000.0));
    let error = match (&attempt.error_code, &attempt.error_text) {
        (Some(code), Some(text)) => format!("{code}: {text}"),
        (Some(code), None) => code.clone(),
        _ => String::new(),
    };
    vec![
        attempt.number.to_string(),
        attempt.status.clone(),
        attempt.host.clone(),
        time_cell(attempt.started_at),
        seconds.unwrap_or_default(),
        error,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_shown_once_and_the_most_important_one_first() {
        let recorded = ["law: 8 of 18 test examples have a label that train does not have, so …".to_owned()];
        let derived = vec![
            "law: 8 of 18 test examples have a label that train does not have".to_owned(),
            "law: 6 of 18 test examples are near-duplicates of another one".to_owned(),
            "nothing was measured: …".to_owned(),
        ];
        let shown = with_metric_warnings(&recorded, derived.clone());
        assert_eq!(shown, ["nothing was measured: …", recorded[0].as_str(), derived[1].as_str()]);
        let unmeasured = ["nothing was measured: the test split is empty".to_owned()];
        assert_eq!(with_metric_warnings(&unmeasured, derived)[..1], unmeasured);
    }
}
