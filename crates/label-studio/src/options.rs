//! Options and limits of reading a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use aprendiz_annotation_types::{Clock, FieldNames, Normalizer};

/// How to read a file.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Project of every task, overriding the task's own. Default: the task's `project`, or `0` if it has none.
    pub project: Option<String>,
    /// Key of `data` that holds the text. Default `text`.
    pub text_key: String,
    /// Which annotations of a task count. Default: all that are not cancelled.
    pub ground_truth: GroundTruth,
    /// Limits.
    pub limits: ReadLimits,
    /// Normalization rules by field, applied to all values.
    pub normalizers: Arc<BTreeMap<String, Normalizer>>,
    /// Known fields, which labels and controls with another spelling belong to.
    pub field_names: Arc<FieldNames>,
    /// Rejects times in the future. Default: no clock, for files that are only inspected.
    pub clock: Option<Clock>,
}

/// How the `ground_truth` flag of annotations is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroundTruth {
    /// Ignored: Label Studio sets it on every imported annotation, so that later corrections would lose.
    #[default]
    Ignore,
    /// If any annotation of a task has the flag, those without it are left out.
    Prefer,
}

/// Limits of one file. Memory grows with the largest task, not with the file.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Bytes of the text of one document; a larger one is quarantined. Default 10 MiB.
    pub text_bytes: usize,
    /// Bytes of the JSON of one task; a larger one fails the whole file, since it cannot be buffered. Default 64 MiB.
    pub task_bytes: u64,
    /// Bytes of the whole file after decompression; a larger one fails. Default 64 GiB.
    pub total_bytes: u64,
    /// Quarantined tasks kept in the summary; all are counted. Default 10,000.
    pub quarantined_tasks: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            project: None,
            text_key: "text".to_owned(),
            ground_truth: GroundTruth::default(),
            limits: ReadLimits::default(),
            normalizers: Arc::default(),
            field_names: Arc::default(),
            clock: None,
        }
    }
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { text_bytes: 10 << 20, task_bytes: 64 << 20, total_bytes: 64 << 30, quarantined_tasks: 10_000 }
    }
}
