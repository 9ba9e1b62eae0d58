//! Options and limits of an import.

use std::collections::BTreeMap;
use std::sync::Arc;

use aprendiz_annotation_types::{Clock, FieldNames, Normalizer};
use aprendiz_label_studio::{GroundTruth, ReadLimits, ReadOptions, SOURCE};
use uuid::Uuid;

use crate::import::error::ImportError;
use crate::import::legacy_csv::source::SOURCE as LEGACY_CSV_SOURCE;
use crate::import::source_name::check_source_name;
use crate::splits::SplitRatios;

/// How to import one file.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Who imports, for the `imports` row.
    pub actor: String,
    /// Name of the file, for the `imports` row; absent for a pipe.
    pub file_name: Option<String>,
    /// Project of every task, overriding the task's own. Default: the task's `project`, or `0` if it has none.
    pub project: Option<String>,
    /// Source of the documents. Two servers that number their projects and tasks alike need two sources. Default `label-studio`.
    pub source: String,
    /// Whether a known task may arrive with a text that has nothing in common with the stored one. Default: it is quarantined.
    pub replace_texts: bool,
    /// Whether to report what would be imported, and to write nothing.
    pub dry_run: bool,
    /// The import whose quarantined tasks are imported again.
    pub retry_of: Option<Uuid>,
    /// Key of `data` that holds the text. Default `text`.
    pub text_key: String,
    /// Split ratios for documents of new groups.
    pub ratios: SplitRatios,
    /// Which annotations of a task count. Default: all that are not cancelled; the newest is the current one.
    pub ground_truth: GroundTruth,
    /// Whether reviews are retracted whose annotations were deleted in Label Studio: in tasks of the file, and in tasks of its projects
    /// that are not in the file. Default: no, because a file may be a part of a project.
    pub mirror: bool,
    /// Limits.
    pub limits: ImportLimits,
    /// Id of the import, if it was assigned before. Default: a new id.
    pub import_id: Option<Uuid>,
}

impl ImportOptions {
    /// Default options on behalf of `actor`.
    #[must_use]
    pub fn new(actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            file_name: None,
            project: None,
            source: SOURCE.to_owned(),
            replace_texts: false,
            dry_run: false,
            retry_of: None,
            text_key: "text".to_owned(),
            ratios: SplitRatios::default(),
            ground_truth: GroundTruth::default(),
            mirror: false,
            limits: ImportLimits::default(),
            import_id: None,
        }
    }

    /// Checks the constraints of the tables before the file is read.
    pub(super) fn check(&self) -> Result<(), ImportError> {
        let storable = |text: &str| !text.contains('\0');
        if let Some(project) = &self.project
            && (!storable(project) || !(1..=200).contains(&project.chars().count()))
        {
            return Err(ImportError::InvalidOption { option: "project", reason: "use 1 to 200 characters without NUL".to_owned() });
        }
        if let Err(reason) = check_source_name(&self.source) {
            return Err(ImportError::InvalidOption { option: "source", reason });
        }
        if self.source == LEGACY_CSV_SOURCE {
            let reason = "`legacy-csv` is the source of legacy review files".to_owned();
            return Err(ImportError::InvalidOption { option: "source", reason });
        }
        if self.text_key.is_empty() || self.text_key.len() > 200 {
            return Err(ImportError::InvalidOption { option: "text_key", reason: "use 1 to 200 bytes".to_owned() });
        }
        if !storable(&self.actor) || self.file_name.as_deref().is_some_and(|name| !storable(name)) {
            return Err(ImportError::InvalidOption { option: "file_name", reason: "remove the NUL character".to_owned() });
        }
        Ok(())
    }

    /// The part of the options that concerns reading.
    pub(super) fn read_options(&self, normalizers: BTreeMap<String, Normalizer>, field_names: FieldNames, clock: Clock) -> ReadOptions {
        ReadOptions {
            project: self.project.clone(),
            text_key: self.text_key.clone(),
            ground_truth: self.ground_truth,
            limits: ReadLimits {
                text_bytes: self.limits.text_bytes,
                task_bytes: self.limits.task_bytes,
                total_bytes: self.limits.total_bytes,
                quarantined_tasks: self.limits.quarantine_rows,
            },
            normalizers: Arc::new(normalizers),
            field_names: Arc::new(field_names),
            clock: Some(clock),
        }
    }
}

/// Limits of one import. Memory grows with the largest task, not with the file: about 60 MiB for ordinary contracts.
#[derive(Debug, Clone, Copy)]
pub struct ImportLimits {
    /// Bytes of the text of one document; a larger one is quarantined. Default 10 MiB.
    pub text_bytes: usize,
    /// Bytes of the JSON of one task; a larger one fails the import, since it cannot be buffered. Default 64 MiB.
    pub task_bytes: u64,
    /// Bytes of the whole file after decompression; a larger one fails the import. Default 64 GiB.
    pub total_bytes: u64,
    /// Quarantined tasks kept in `import_quarantine`; all are counted. Default 10,000.
    pub quarantine_rows: usize,
    /// Quarantined tasks listed in the report. Default 100.
    pub quarantine_listed: usize,
}

impl Default for ImportLimits {
    fn default() -> Self {
        let ReadLimits { text_bytes, task_bytes, total_bytes, quarantined_tasks } = ReadLimits::default();
        Self { text_bytes, task_bytes, total_bytes, quarantine_rows: quarantined_tasks, quarantine_listed: 100 }
    }
}
