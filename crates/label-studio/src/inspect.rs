//! Reads a whole file and reports what an import would find in it.

use std::io::Read;

use aprendiz_annotation_types::QuarantinedTask;

use crate::error::ReadError;
use crate::options::ReadOptions;
use crate::task_reader::TaskReader;

/// Contents of a file, as far as they are known without a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Tasks in the file, good and quarantined.
    pub tasks: u64,
    /// Documents that would be imported.
    pub documents: u64,
    /// Their reviews.
    pub reviews: u64,
    /// Quarantined tasks.
    pub quarantined: u64,
    /// The first quarantined tasks, up to the limit of the options.
    pub quarantined_tasks: Vec<QuarantinedTask>,
}

/// Reads a whole file, plain or gzip. Blocks; memory and time are bounded as for an import.
///
/// # Errors
/// If the file as a whole is not a valid export, or cannot be read.
pub fn inspect(input: impl Read, options: &ReadOptions) -> Result<Inspection, ReadError> {
    let mut reader = TaskReader::open(input, options, std::sync::Arc::default())?;
    let (mut documents, mut reviews) = (0, 0);
    while let Some((_, task)) = reader.next()? {
        documents += 1;
        reviews += task.reviews.len() as u64;
    }
    let summary = reader.into_summary();
    Ok(Inspection {
        tasks: summary.tasks,
        documents,
        reviews,
        quarantined: summary.quarantined,
        quarantined_tasks: summary.quarantined_tasks.iter().map(QuarantinedTask::without_json).collect(),
    })
}
