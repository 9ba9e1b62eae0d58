//! What an import may be told, and what it may not exceed.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::import::error::ImportError;
use crate::normalization::Normalizer;
use crate::split::SplitRatios;

/// How to import one file.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Who imports, for the `imports` row.
    pub actor: String,
    /// Name of the file, for the `imports` row; absent for a pipe.
    pub file_name: Option<String>,
    /// Project to put every task into, whatever the task says. By default a task's own `project`, and `0` where it has none.
    pub project: Option<String>,
    /// Key of `data` that holds the text. Default `text`.
    pub text_key: String,
    /// Shares of the splits for documents of new groups.
    pub ratios: SplitRatios,
    /// Which annotations of a task count. Default: all that were not cancelled, the newest above the others.
    pub ground_truth: GroundTruth,
    /// Whether what the database knows and the file lacks is withdrawn: reviews of annotations that were deleted, in tasks of the file
    /// and in tasks of its projects that the file has no more. Default: no, a file may be a part of a project.
    pub mirror: bool,
    /// Bounds.
    pub limits: ImportLimits,
    /// Id of the import, should it have one already; else it gets one.
    pub import_id: Option<Uuid>,
    /// How fields write the values that arrive: as they are declared when the import begins.
    pub(crate) normalizers: Arc<BTreeMap<String, Normalizer>>,
}

/// What the mark "ground truth" means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroundTruth {
    /// Nothing: Label Studio gives it to every imported annotation, so that later corrections would lose.
    #[default]
    Ignore,
    /// In a task where an annotation has it, those without it are left out.
    Prefer,
}

impl ImportOptions {
    /// Defaults, on behalf of `actor`.
    #[must_use]
    pub fn new(actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            file_name: None,
            project: None,
            text_key: "text".to_owned(),
            ratios: SplitRatios::default(),
            ground_truth: GroundTruth::default(),
            mirror: false,
            limits: ImportLimits::default(),
            import_id: None,
            normalizers: Arc::default(),
        }
    }

    /// Refuses what the tables would refuse, before anything is read.
    pub(super) fn check(&self) -> Result<(), ImportError> {
        let storable = |text: &str| !text.contains('\0');
        if let Some(project) = &self.project
            && (!storable(project) || !(1..=200).contains(&project.chars().count()))
        {
            return Err(ImportError::InvalidOption { option: "project", reason: "give 1 to 200 characters" });
        }
        if self.text_key.is_empty() || self.text_key.len() > 200 {
            return Err(ImportError::InvalidOption { option: "text_key", reason: "give 1 to 200 bytes" });
        }
        if !storable(&self.actor) || self.file_name.as_deref().is_some_and(|name| !storable(name)) {
            return Err(ImportError::InvalidOption { option: "file_name", reason: "leave out the NUL character" });
        }
        Ok(())
    }
}

/// Bounds of one import. Memory grows with the largest task, not with the file: some 60 MiB for ordinary contracts.
#[derive(Debug, Clone, Copy)]
pub struct ImportLimits {
    /// Bytes of the text of one document; a larger one is quarantined. Default 10 MiB.
    pub text_bytes: usize,
    /// Bytes of the JSON of one task; a larger one fails the import, since it cannot even be looked at. Default 64 MiB.
    pub task_bytes: u64,
    /// Bytes of the whole file after decompression; more fails the import. Default 64 GiB.
    pub total_bytes: u64,
    /// Quarantined tasks kept in `import_quarantine`; all are counted. Default 10,000.
    pub quarantine_rows: usize,
    /// Quarantined tasks listed in the report. Default 100.
    pub quarantine_listed: usize,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { text_bytes: 10 << 20, task_bytes: 64 << 20, total_bytes: 64 << 30, quarantine_rows: 10_000, quarantine_listed: 100 }
    }
}
