//! A training run as shown by the commands.

use aprendiz_text::count;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::http::decode;
use crate::cli::terminal::format_time;

/// The displayed part of a run.
#[derive(Debug, Deserialize)]
pub(crate) struct RunView {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) model: String,
    pub(crate) status: String,
    pub(crate) phase: Option<String>,
    pub(crate) priority: i32,
    /// A server of an older version has no queues.
    #[serde(default)]
    pub(crate) queue: Option<String>,
    #[serde(default)]
    pub(crate) requires: Vec<String>,
    pub(crate) attempts_used: i32,
    pub(crate) max_attempts: i32,
    pub(crate) dataset_id: Option<Uuid>,
    pub(crate) dataset_only: bool,
    pub(crate) chosen_documents: Option<i64>,
    pub(crate) error_code: Option<String>,
    pub(crate) error_text: Option<String>,
    pub(crate) created_by: String,
    #[serde(default)]
    pub(crate) tags: Value,
    #[serde(default)]
    pub(crate) note: Option<String>,
    pub(crate) parent_run_id: Option<Uuid>,
    /// What it is in a sweep; a server of an older version has no sweeps.
    #[serde(default)]
    pub(crate) sweep_role: Option<String>,
    #[serde(default)]
    pub(crate) trial: Option<i32>,
    #[serde(default)]
    pub(crate) trials: Option<i32>,
    pub(crate) model_version: Option<i32>,
    /// The version that the run trains again.
    #[serde(default)]
    pub(crate) verifies_version_id: Option<Uuid>,
    /// Warnings about the published version; a server of an older version has none.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    pub(crate) spec: Value,
    pub(crate) run_after: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

impl RunView {
    pub(crate) fn parse(run: &Value) -> anyhow::Result<Self> {
        decode(run, "run")
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "succeeded" | "failed" | "cancelled")
    }

    /// Which documents the run selects: their number, and the filters of the spec.
    pub(crate) fn selection(&self) -> String {
        let data = &self.spec["data"];
        let mut parts = vec![self.chosen_documents.map_or("all".to_owned(), |count| format!("{count} selected"))];
        let filters = data["filter"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        parts.extend(filters.map(|(key, value)| format!("{key} {}", plain(value))));
        for (key, name) in [("fields", "fields"), ("as_of", "as of"), ("min_support", "at least")] {
            match &data[key] {
                Value::Null => {}
                Value::Array(values) if values.is_empty() => {}
                Value::Array(values) => parts.push(format!("{name} {}", values.iter().map(plain).collect::<Vec<_>>().join(", "))),
                value if key == "min_support" => {
                    parts.push(format!("{name} {} per label", count(value.as_u64().unwrap_or_default(), "example")))
                }
                value => parts.push(format!("{name} {}", plain(value))),
            }
        }
        parts.join("; ")
    }

    /// Number of the published version that the run evaluates or predicts with.
    pub(crate) fn used_version(&self) -> Option<i64> {
        self.spec["model_version"].as_i64().filter(|_| matches!(self.kind.as_str(), "evaluate" | "predict"))
    }

    /// The kind, marked if only the dataset is built, a version is verified, or a sweep created it.
    pub(crate) fn kind_label(&self) -> String {
        let mark = match (self.sweep_role.as_deref(), self.trial, self.trials) {
            _ if self.dataset_only => ", dataset only".to_owned(),
            _ if self.verifies_version_id.is_some() => ", verification".to_owned(),
            _ if self.used_version().is_some() => {
                format!(" of {} version {}", self.model, self.used_version().unwrap_or_default())
            }
            (Some("trial"), Some(trial), Some(trials)) => format!(", trial {trial} of {trials}"),
            (Some("winner"), Some(trial), _) => format!(", best trial {trial}"),
            _ => String::new(),
        };
        format!("{}{mark}", self.kind)
    }

    /// The outcome, or the current state.
    pub(crate) fn outcome(&self) -> String {
        match (self.status.as_str(), self.model_version) {
            ("succeeded", Some(version)) => format!("succeeded: {} version {version}", self.model),
            ("failed", _) => {
                format!(
                    "failed: {} ({})",
                    self.error_text.as_deref().unwrap_or("no reason recorded"),
                    self.error_code.as_deref().unwrap_or("unknown")
                )
            }
            ("retrying", _) => {
                let reason = self.error_text.as_deref().unwrap_or("no reason recorded");
                format!("retrying at {}: {reason}", format_time(self.run_after))
            }
            (status, _) => match &self.phase {
                Some(phase) => format!("{status} ({phase})"),
                None => status.to_owned(),
            },
        }
    }

    /// Seconds from the first claim until the end of the run, or until now.
    pub(crate) fn duration(&self) -> Option<String> {
        let started = self.started_at?;
        let seconds = (self.finished_at.unwrap_or_else(Utc::now) - started).num_milliseconds() as f64 / 1000.0;
        Some(format!("{:.1} s", seconds.max(0.0)))
    }
}

/// A JSON value without the quotes of a string.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(data: &Value, chosen: Option<i64>) -> RunView {
        let run = json!({
            "id": Uuid::nil(), "kind": "linear", "model": "m", "status": "queued", "phase": null, "priority": 0, "attempts_used": 0,
            "max_attempts": 3, "dataset_id": null, "dataset_only": false, "chosen_documents": chosen, "error_code": null,
            "error_text": null, "created_by": "ana", "parent_run_id": null, "model_version": null, "spec": { "data": data },
            "run_after": "2026-11-21T08:00:00Z", "created_at": "2026-11-21T08:00:00Z", "started_at": null, "finished_at": null,
        });
        RunView::parse(&run).unwrap()
    }

    #[test]
    fn runs_of_a_sweep_are_marked() {
        let plain = view(&json!({}), None);
        assert_eq!(plain.kind_label(), "linear");
        let of_sweep =
            |role: &str| RunView { sweep_role: Some(role.to_owned()), trial: Some(3), trials: Some(20), ..view(&json!({}), None) };
        assert_eq!(of_sweep("trial").kind_label(), "linear, trial 3 of 20");
        assert_eq!(of_sweep("winner").kind_label(), "linear, best trial 3");
    }

    #[test]
    fn the_selection_names_every_filter() {
        assert_eq!(view(&json!({ "fields": [], "filter": { "project": null } }), None).selection(), "all");
        let data = json!({
            "filter": { "project": "1" }, "fields": ["law", "type"], "as_of": "2026-11-01T00:00:00Z", "min_support": 5
        });
        let expected = "3 selected; project 1; fields law, type; as of 2026-11-01T00:00:00Z; at least 5 examples per label";
        assert_eq!(view(&data, Some(3)).selection(), expected);
    }
}
