//! The table of the trials of a sweep.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::terminal::{id_cell, table};

/// A run that a sweep has created.
#[derive(Debug, Deserialize)]
pub(crate) struct Trial {
    pub(crate) run_id: Uuid,
    pub(crate) role: String,
    trial: i32,
    rung: i32,
    chosen: BTreeMap<String, Value>,
    pub(crate) status: String,
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    split: Option<String>,
    error_code: Option<String>,
    error_text: Option<String>,
}

impl Trial {
    pub(crate) fn is_winner(&self) -> bool {
        self.role == "winner"
    }

    fn cells(&self, has_rungs: bool) -> Vec<String> {
        let name = if self.is_winner() { format!("{} (published)", self.trial) } else { self.trial.to_string() };
        let chosen: Vec<String> = self.chosen.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let status = match &self.error_code {
            Some(code) => format!("{} ({code})", self.status),
            None => self.status.clone(),
        };
        let interval = match (self.low, self.high) {
            (Some(low), Some(high)) => format!("{low:.4} to {high:.4}"),
            _ => String::new(),
        };
        let mut cells = vec![name];
        cells.extend(has_rungs.then(|| self.rung.to_string()));
        cells.extend([
            chosen.join(" "),
            self.value.map_or("-".to_owned(), |value| format!("{value:.4}")),
            interval,
            status,
            id_cell(&self.run_id),
        ]);
        cells
    }
}

/// The trials of a sweep in the order of the API, best first, then the reasons of failures. `metric` is the metric of the sweep.
pub(crate) fn trials_table(trials: &[Trial], metric: &str) -> String {
    let has_rungs = trials.iter().any(|trial| trial.rung > 1);
    let rows: Vec<Vec<String>> = trials.iter().map(|trial| trial.cells(has_rungs)).collect();
    let rung = has_rungs.then_some("rung");
    let header: Vec<&str> = ["trial"].into_iter().chain(rung).chain(["parameters", metric, "95% interval", "status", "run"]).collect();
    let mut text = table(&header, &["rung", metric], &rows);
    if trials.iter().any(|trial| trial.split.as_deref() == Some("train")) {
        text.push_str("\nThe validation split has no example: the trials are compared by out-of-fold scores of train.\n");
    }
    for trial in trials.iter().filter(|trial| trial.error_text.is_some()) {
        text.push_str(&format!("\ntrial {} failed: {}\n", trial.trial, trial.error_text.as_deref().unwrap_or_default()));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trial(number: i32, rung: i32, value: Option<f64>) -> Trial {
        let failed = value.is_none();
        serde_json::from_value(json!({
            "run_id": Uuid::nil(), "role": "trial", "trial": number, "rung": rung, "chosen": { "l2": 0.1 }, "value": value,
            "split": "train",
            "status": if failed { "failed" } else { "succeeded" },
            "low": value.map(|value| value - 0.1), "high": value.map(|value| value + 0.05),
            "error_code": failed.then_some("bad_params"), "error_text": failed.then_some("l2 is too small"),
        }))
        .unwrap()
    }

    #[test]
    fn trials_are_shown_with_metric_interval_and_failures() {
        let text = trials_table(&[trial(2, 1, Some(0.9)), trial(1, 1, None)], "accuracy");
        assert!(text.contains("l2=0.1") && text.contains("0.9000") && text.contains("0.8000 to 0.9500"), "{text}");
        assert!(text.contains("failed (bad_params)") && text.contains("trial 1 failed: l2 is too small"), "{text}");
        assert!(text.contains("out-of-fold") && !text.to_lowercase().contains("rung"), "{text}");
        assert!(trials_table(&[trial(1, 2, Some(0.5))], "accuracy").to_lowercase().contains("rung"));
    }
}
