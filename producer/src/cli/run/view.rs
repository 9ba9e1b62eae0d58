//! A training run as shown by the commands.

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
    pub(crate) model_version: Option<i32>,
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

    /// The kind, marked if only the dataset is built.
    pub(crate) fn kind_label(&self) -> String {
        if self.dataset_only { format!("{}, dataset only", self.kind) } else { self.kind.clone() }
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
