//! The files of all splits, written one split after the other.

use std::path::{Path, PathBuf};

use crate::canonical::CanonicalHash;
use crate::error::DatasetError;
use crate::example::Example;
use crate::selection::Selection;
use crate::snapshot::FileEntry;
use crate::split::Split;
use crate::write::jsonl::JsonlWriter;
use crate::write::parquet::ParquetSplit;

/// Size of a split, for the dataset card.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SplitSize {
    pub(crate) split: Split,
    pub(crate) examples: u64,
    /// Before compression.
    pub(crate) plain_bytes: u64,
    /// Of the Parquet file.
    pub(crate) bytes: u64,
}

/// What was written in the end.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) canonical_hash: String,
    /// Parquet files of the splits, then JSONL files.
    pub(crate) files: Vec<FileEntry>,
    pub(crate) sizes: Vec<SplitSize>,
}

/// Writes examples that come in the order of the splits. Every split gets its files, also an empty one.
pub(crate) struct SplitFiles {
    dir: PathBuf,
    fields: Vec<String>,
    hash: CanonicalHash,
    open: Option<OpenSplit>,
    parquet: Vec<FileEntry>,
    jsonl: Vec<FileEntry>,
    sizes: Vec<SplitSize>,
}

struct OpenSplit {
    split: Split,
    parquet: ParquetSplit,
    jsonl: JsonlWriter,
    examples: u64,
}

impl SplitFiles {
    pub(crate) fn create(dir: &Path, selection: &Selection) -> Self {
        Self {
            dir: dir.to_owned(),
            fields: selection.fields.clone(),
            hash: CanonicalHash::new(selection),
            open: None,
            parquet: Vec::new(),
            jsonl: Vec::new(),
            sizes: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, example: &Example) -> Result<(), DatasetError> {
        self.advance_to(example.split)?;
        let open = self.open.as_mut().filter(|open| open.split == example.split).expect("examples are ordered by split");
        self.hash.update(example);
        open.parquet.write(example)?;
        open.jsonl.write(example)?;
        open.examples += 1;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Written, DatasetError> {
        self.advance_to(Split::ALL[Split::ALL.len() - 1])?;
        self.close()?;
        let Self { hash, parquet: mut files, jsonl, sizes, .. } = self;
        files.extend(jsonl);
        Ok(Written { canonical_hash: hash.finish(), files, sizes })
    }

    /// Closes splits and opens the next ones until this one is open. One that is already past stays past.
    fn advance_to(&mut self, split: Split) -> Result<(), DatasetError> {
        while self.open.as_ref().is_none_or(|open| open.split < split) {
            self.close()?;
            let next = Split::ALL[self.sizes.len()];
            self.open = Some(OpenSplit {
                split: next,
                parquet: ParquetSplit::create(&self.dir, next, &self.fields)?,
                jsonl: JsonlWriter::create(&self.dir, next)?,
                examples: 0,
            });
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), DatasetError> {
        let Some(OpenSplit { split, parquet, jsonl, examples }) = self.open.take() else {
            return Ok(());
        };
        let (file, plain_bytes) = parquet.finish()?;
        self.sizes.push(SplitSize { split, examples, plain_bytes, bytes: file.bytes });
        self.parquet.push(file);
        self.jsonl.push(jsonl.finish()?);
        Ok(())
    }
}
