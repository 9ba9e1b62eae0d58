//! Options of importing a legacy review file.

use chrono::{DateTime, Utc};

use crate::splits::SplitRatios;

/// How to import one file.
#[derive(Debug, Clone)]
pub struct LegacyCsvOptions {
    /// Who imports.
    pub actor: String,
    /// Name of the file.
    pub file_name: Option<String>,
    /// Project in which documents are found and created. Default: the column `project`, else any project.
    pub project: Option<String>,
    /// Time of the reviews of rows without a time. Later reviews take precedence.
    pub reviewed_at: DateTime<Utc>,
    /// Split ratios for documents of new groups.
    pub ratios: SplitRatios,
    /// Maximum bytes of the file.
    pub max_bytes: u64,
}
