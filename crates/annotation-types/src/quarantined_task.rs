//! A task or row that an import rejected.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A task (or row of a CSV file) that was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedTask {
    /// Index of the task in the file, from 0; for a CSV file the number of the row, from 1.
    pub task_index: u64,
    /// Id of the task, if it could be read.
    pub task_id: Option<String>,
    /// Why it was rejected, and how to repair it.
    pub reason: String,
    /// The JSON of the task, if it is small enough to be kept. Stored in `import_quarantine`, never part of a report.
    #[serde(skip)]
    pub json: Option<String>,
}

impl QuarantinedTask {
    /// A copy for a report, without the JSON.
    #[must_use]
    pub fn without_json(&self) -> Self {
        Self { task_index: self.task_index, task_id: self.task_id.clone(), reason: self.reason.clone(), json: None }
    }
}
