//! One JSON object per line, one line per example.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::DatasetError;
use crate::example::{Example, Line};
use crate::snapshot::FileEntry;
use crate::split::Split;
use crate::write::HashedFile;

/// `jsonl/<split>.jsonl`.
pub(crate) struct JsonlWriter {
    file: HashedFile,
    path: PathBuf,
    /// Kept from line to line, so that a line is hashed and written in one piece.
    line: Vec<u8>,
}

impl JsonlWriter {
    pub(crate) fn create(dir: &Path, split: Split) -> Result<Self, DatasetError> {
        let file = HashedFile::create(dir, &format!("jsonl/{split}.jsonl"))?;
        let path = file.path().to_owned();
        Ok(Self { file, path, line: Vec::new() })
    }

    /// `names` are those of the fields of the selection.
    pub(crate) fn write(&mut self, example: &Example, names: &[String]) -> Result<(), DatasetError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, &Line { example, names }).map_err(|error| DatasetError::io(&self.path)(error.into()))?;
        self.line.push(b'\n');
        self.file.write_all(&self.line).map_err(DatasetError::io(&self.path))
    }

    pub(crate) fn finish(self) -> Result<FileEntry, DatasetError> {
        self.file.finish()
    }
}
