//! Types of background imports.

use aprendiz_label_studio::GroundTruth;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::import::legacy_csv::LegacyCsvReport;
use crate::import::options::ImportOptions;
use crate::import::report::{ImportReport, Stage};

/// Status of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "import_status", rename_all = "lowercase")]
pub enum ImportStatus {
    /// The file is stored and waits to be imported.
    Queued,
    /// Being imported.
    Running,
    /// Imported completely.
    Succeeded,
    /// Failed; nothing was imported.
    Failed,
}

/// Options of an import as they are stored with its request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredOptions {
    /// Name of the file.
    #[serde(default)]
    pub file_name: Option<String>,
    /// Project of every task.
    #[serde(default)]
    pub project: Option<String>,
    /// Source of the documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether known tasks may get wholly different texts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace_texts: bool,
    /// Key of `data` that holds the text.
    #[serde(default)]
    pub text_key: Option<String>,
    /// Whether ground-truth annotations are preferred.
    #[serde(default)]
    pub prefer_ground_truth: bool,
    /// Whether reviews of deleted annotations are retracted.
    #[serde(default)]
    pub mirror: bool,
}

impl StoredOptions {
    /// Converts them to the options of an import on behalf of `actor`.
    #[must_use]
    pub fn into_options(self, actor: &str) -> ImportOptions {
        let mut options = ImportOptions::new(actor);
        options.file_name = self.file_name;
        options.project = self.project;
        if let Some(source) = self.source {
            options.source = source;
        }
        options.replace_texts = self.replace_texts;
        if let Some(text_key) = self.text_key {
            options.text_key = text_key;
        }
        options.ground_truth = if self.prefer_ground_truth { GroundTruth::Prefer } else { GroundTruth::Ignore };
        options.mirror = self.mirror;
        options
    }
}

/// The report of an import, by its format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum StoredReport {
    /// Of a Label Studio file.
    LabelStudio(ImportReport),
    /// Of a legacy review file.
    LegacyCsv(LegacyCsvReport),
}

/// State of an import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportState {
    /// Id of the import.
    pub id: Uuid,
    /// Current status.
    pub status: ImportStatus,
    /// Name of the file, if it has one.
    pub file_name: Option<String>,
    /// Source of its documents.
    pub source: String,
    /// When its revert began.
    pub reverted_at: Option<DateTime<Utc>>,
    /// When its revert ended; null while documents are left.
    #[serde(default)]
    pub revert_finished_at: Option<DateTime<Utc>>,
    /// Who requested it.
    pub actor: String,
    /// Bytes of the file, before decompression.
    pub bytes: i64,
    /// Bytes read so far.
    pub bytes_read: i64,
    /// Tasks read so far.
    pub tasks: i64,
    /// `reading` (the file) or `storing` (merging its rows); absent unless it is running.
    pub stage: Option<Stage>,
    /// Number of the attempt, from 1; each attempt starts from the beginning of the file.
    pub attempt: i32,
    /// Error code, if it failed.
    pub error_code: Option<String>,
    /// Error message, if it failed.
    pub error: Option<String>,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When the last attempt started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it succeeded or failed.
    pub finished_at: Option<DateTime<Utc>>,
    /// The latest import that retried its quarantined tasks.
    #[serde(default)]
    pub retried_by: Option<Uuid>,
    /// The report, if it succeeded, as it was stored: reports of older versions lack some keys.
    #[schema(value_type = Option<StoredReport>)]
    pub report: Option<Value>,
}

/// An import claimed by an importer.
#[derive(Debug, Clone)]
pub struct ClaimedImport {
    /// Its id.
    pub id: Uuid,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    /// Object key of the file.
    pub object_key: String,
    /// Bytes of the file.
    pub bytes: i64,
    /// Who requested it.
    pub actor: String,
    /// Its options as stored; [`ClaimedImport::options`] parses them.
    pub(super) options: Value,
}

impl ClaimedImport {
    /// Parses the options.
    ///
    /// # Errors
    /// With a message for people if a newer version of Aprendiz stored options that this one does not know. The import must not run
    /// without them, because its tasks could be stored in another project or with another text.
    pub fn options(&self) -> Result<StoredOptions, String> {
        StoredOptions::deserialize(&self.options).map_err(|error| {
            let known = serde_json::to_value(StoredOptions::default()).unwrap_or_default();
            let unknown: Vec<String> = self
                .options
                .as_object()
                .into_iter()
                .flat_map(|options| options.keys())
                .filter(|name| known.get(name.as_str()).is_none())
                .map(|name| format!("`{name}`"))
                .collect();
            let reason = if unknown.is_empty() { error.to_string() } else { format!("unknown {}", unknown.join(", ")) };
            format!(
                "nothing was imported: a newer version of Aprendiz stored options of the import that this version cannot read ({reason}): \
                 send the file again when all servers run the newer version"
            )
        })
    }
}
