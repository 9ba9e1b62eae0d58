//! Writes the files of all splits side by side.

use std::path::Path;

use crate::build::files::entry::{FileEntry, Format};
use crate::build::files::jsonl::JsonlWriter;
use crate::build::files::parquet::ParquetWriter;
use crate::error::DatasetError;
use crate::read::Example;
use crate::selection::Selection;
use crate::split::Split;

/// Size of a split, for the dataset card.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SplitSize {
    pub(crate) split: Split,
    pub(crate) examples: u64,
    /// Size of the Parquet data before compression.
    pub(crate) plain_bytes: u64,
    /// Size of the Parquet file.
    pub(crate) bytes: u64,
}

/// Writes examples to the files of their split. Every split gets its files, even if it is empty.
pub(crate) struct SplitFiles {
    fields: Vec<String>,
    splits: [SplitWriter; Split::ALL.len()],
}

struct SplitWriter {
    split: Split,
    parquet: ParquetWriter,
    jsonl: Option<JsonlWriter>,
    examples: u64,
}

impl SplitFiles {
    pub(crate) fn create(dir: &Path, selection: &Selection, formats: &[Format]) -> Result<Self, DatasetError> {
        let open = |split| {
            let jsonl = formats.contains(&Format::Jsonl).then(|| JsonlWriter::create(dir, split)).transpose()?;
            Ok::<_, DatasetError>(SplitWriter { split, parquet: ParquetWriter::create(dir, split, &selection.fields)?, jsonl, examples: 0 })
        };
        let [train, validation, test] = Split::ALL.map(open);
        Ok(Self { fields: selection.fields.clone(), splits: [train?, validation?, test?] })
    }

    pub(crate) fn write(&mut self, example: &Example) -> Result<(), DatasetError> {
        let Self { fields, splits } = self;
        let writer = &mut splits[example.split as usize];
        writer.parquet.write(example)?;
        if let Some(jsonl) = &mut writer.jsonl {
            jsonl.write(example, fields)?;
        }
        writer.examples += 1;
        Ok(())
    }

    /// Completes the files: those in Parquet first, then those in JSONL.
    pub(crate) fn finish(self) -> Result<(Vec<FileEntry>, Vec<SplitSize>), DatasetError> {
        let (mut files, mut lines, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for SplitWriter { split, parquet, jsonl, examples } in self.splits {
            let (file, plain_bytes) = parquet.finish()?;
            sizes.push(SplitSize { split, examples, plain_bytes, bytes: file.bytes });
            files.push(file);
            if let Some(jsonl) = jsonl {
                lines.push(jsonl.finish()?);
            }
        }
        files.append(&mut lines);
        Ok((files, sizes))
    }
}
