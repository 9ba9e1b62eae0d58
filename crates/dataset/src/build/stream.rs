//! Streams the examples of a selection to a consumer, hashing and counting them.

use tokio::sync::watch;

use crate::build::canonical_hash::CanonicalHash;
use crate::error::DatasetError;
use crate::labels::Counts;
use crate::read::{Example, Examples, Row};
use crate::selection::Selection;

/// Number of documents between two progress reports.
const PROGRESS_INTERVAL: u64 = 256;

/// Passes every example to `consume`, reports the number of documents read, and returns the canonical hash and the counts. Blocks.
pub(crate) fn stream_examples(
    examples: Examples,
    selection: &Selection,
    documents_read: &watch::Sender<u64>,
    mut consume: impl FnMut(&Example) -> Result<(), DatasetError>,
) -> Result<(String, Counts), DatasetError> {
    let mut hash = CanonicalHash::new(selection);
    let mut counts = Counts::new(selection);
    let mut documents = 0;
    for row in examples {
        match row? {
            Row::Excluded(reason) => counts.add_excluded(reason),
            Row::Example(example) => {
                hash.update(&example);
                counts.add(&example);
                consume(&example)?;
            }
        }
        documents += 1;
        if documents % PROGRESS_INTERVAL == 0 {
            documents_read.send_replace(documents);
        }
    }
    documents_read.send_replace(documents);
    Ok((hash.finish(), counts))
}
