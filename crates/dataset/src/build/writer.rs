//! Writes the data files of a snapshot from the stream of examples.
//!
//! Compressing and hashing are CPU-bound. They run on a blocking thread, because on the async executor they would delay lease renewals.

use std::path::Path;

use tokio::sync::watch;

use crate::build::files::{FileEntry, Format, SplitFiles, SplitSize};
use crate::build::pairs::Pool;
use crate::build::stream::stream_examples;
use crate::error::DatasetError;
use crate::labels::Counts;
use crate::read::Examples;
use crate::selection::Selection;

/// The written data files and what was collected while writing them.
#[derive(Debug)]
pub(crate) struct WrittenExamples {
    pub(crate) canonical_hash: String,
    pub(crate) counts: Counts,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) sizes: Vec<SplitSize>,
    /// Sample from which pairs are drawn, if pairs were requested.
    pub(crate) pool: Option<Pool>,
}

/// Writes the examples to `dir` and reports the number of documents read. Blocks.
pub(crate) fn write_examples(
    examples: Examples,
    dir: &Path,
    selection: &Selection,
    formats: &[Format],
    documents_read: &watch::Sender<u64>,
) -> Result<WrittenExamples, DatasetError> {
    let mut files = SplitFiles::create(dir, selection, formats)?;
    let mut pool = selection.pairs.as_ref().map(|request| Pool::new(selection, request));
    let (canonical_hash, counts) = stream_examples(examples, selection, documents_read, |example| {
        if let Some(pool) = &mut pool {
            pool.add(example);
        }
        files.write(example)
    })?;
    let (files, sizes) = files.finish()?;
    Ok(WrittenExamples { canonical_hash, counts, files, sizes, pool })
}
