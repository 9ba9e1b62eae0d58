//! The thread that writes, and the one that only hashes: compressing and hashing are work for a processor, and on the async
//! executor they would delay the renewal of leases.

use std::path::Path;

use tokio::sync::watch;

use crate::canonical::CanonicalHash;
use crate::error::DatasetError;
use crate::example::Example;
use crate::pairs::Pool;
use crate::read::{Examples, Row};
use crate::selection::Selection;
use crate::snapshot::{FileEntry, Format};
use crate::tally::Tally;
use crate::write::split_files::{SplitFiles, SplitSize};

/// Documents between two reports of progress.
const PROGRESS_EVERY: u64 = 256;

/// What was written in the end.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) canonical_hash: String,
    pub(crate) tally: Tally,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) sizes: Vec<SplitSize>,
    /// What pairs are drawn from, when there are to be some.
    pub(crate) pool: Option<Pool>,
}

/// Writes the examples as they come and tells the number of documents read. Blocks.
pub(crate) fn write(
    examples: Examples,
    dir: &Path,
    selection: &Selection,
    formats: &[Format],
    read: &watch::Sender<u64>,
) -> Result<Written, DatasetError> {
    let mut files = SplitFiles::create(dir, selection, formats)?;
    let mut pool = selection.pairs.as_ref().map(|request| Pool::new(selection, request));
    let (canonical_hash, tally) = pass(examples, selection, read, |example| {
        if let Some(pool) = &mut pool {
            pool.add(example);
        }
        files.write(example)
    })?;
    let (files, sizes) = files.finish()?;
    Ok(Written { canonical_hash, tally, files, sizes, pool })
}

/// Takes every row, hashes and counts the examples, and hands them on.
pub(crate) fn pass(
    examples: Examples,
    selection: &Selection,
    read: &watch::Sender<u64>,
    mut to: impl FnMut(&Example) -> Result<(), DatasetError>,
) -> Result<(String, Tally), DatasetError> {
    let mut hash = CanonicalHash::new(selection);
    let mut tally = Tally::new(selection);
    let mut documents = 0;
    for row in examples {
        match row? {
            Row::Left(reason) => tally.leave(reason),
            Row::Example(example) => {
                hash.update(&example);
                tally.count(&example);
                to(&example)?;
            }
        }
        documents += 1;
        if documents % PROGRESS_EVERY == 0 {
            read.send_replace(documents);
        }
    }
    read.send_replace(documents);
    Ok((hash.finish(), tally))
}
