//! Reads a file as an import would, and stores nothing.

use std::io::Read;

use crate::import::error::ImportError;
use crate::import::options::ImportOptions;
use crate::import::report::Quarantined;
use crate::import::tasks::read_tasks;

/// What an import of a file would find in it, as far as that can be told without the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Tasks in the file, good and bad.
    pub tasks: u64,
    /// Documents that would be taken in.
    pub documents: u64,
    /// Reviews of them.
    pub reviews: u64,
    /// Tasks that would not be taken in.
    pub quarantined: u64,
    /// The first of them.
    pub quarantined_tasks: Vec<Quarantined>,
}

/// Reads a whole file, plain or gzip. Blocks; memory and time are bounded as for an import.
///
/// # Errors
/// When the file is no good export as a whole, or cannot be read.
pub fn inspect(input: impl Read, options: &ImportOptions) -> Result<Inspection, ImportError> {
    options.check()?;
    let (mut documents, mut reviews) = (0, 0);
    let outcome = read_tasks(input, options, std::sync::Arc::default(), &mut |batch| {
        documents += batch.tasks.count() as u64;
        reviews += batch.reviews.count() as u64;
        true
    })?;
    let listed = outcome.quarantined_tasks.into_iter().take(options.limits.quarantine_listed);
    Ok(Inspection {
        tasks: outcome.tasks,
        documents,
        reviews,
        quarantined: outcome.quarantined,
        quarantined_tasks: listed.map(|refused| refused.task).collect(),
    })
}
