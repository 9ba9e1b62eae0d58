//! Writes `pairs/<split>.parquet` and `pairs/<split>.jsonl` with the columns text_a, text_b, label (1 or 0), field and split.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use aprendiz_annotation_types::escape_line_breaks;
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::build::files::{FileEntry, Format, HashedFile, compressed_properties};
use crate::build::pairs::draw::Pair;
use crate::error::DatasetError;
use crate::split::Split;

const BATCH_ROWS: usize = 1_024;

/// Writes the pairs. Every split gets its files, even if it is empty.
pub(crate) fn write_pairs(dir: &Path, pairs: &[Pair<'_>], formats: &[Format]) -> Result<Vec<FileEntry>, DatasetError> {
    let mut files = Vec::new();
    for split in Split::ALL {
        let pairs: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.split == split).collect();
        files.push(write_parquet(dir, split, &pairs)?);
        if formats.contains(&Format::Jsonl) {
            files.push(write_jsonl(dir, split, &pairs)?);
        }
    }
    Ok(files)
}

/// Path of the Parquet file of a split, relative to the snapshot directory.
pub(crate) fn pairs_path(split: Split) -> String {
    format!("pairs/{split}.parquet")
}

/// 1 for a positive pair, 0 for a negative one; a float, as cosine losses expect.
const fn label(pair: &Pair<'_>) -> f32 {
    if pair.positive { 1.0 } else { 0.0 }
}

fn write_parquet(dir: &Path, split: Split, pairs: &[&Pair<'_>]) -> Result<FileEntry, DatasetError> {
    let file = HashedFile::create(dir, &pairs_path(split))?;
    let path = file.path().to_owned();
    let text = |name| Field::new(name, DataType::Utf8, false);
    let columns = vec![text("text_a"), text("text_b"), Field::new("label", DataType::Float32, false), text("field"), text("split")];
    let schema = Arc::new(Schema::new(columns));
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(compressed_properties(&["text_a", "text_b"])))
        .map_err(DatasetError::parquet(&path))?;
    for batch in pairs.chunks(BATCH_ROWS) {
        let texts =
            |text: fn(&Pair<'_>) -> String| Arc::new(StringArray::from_iter_values(batch.iter().map(|pair| text(pair)))) as ArrayRef;
        let columns: Vec<ArrayRef> = vec![
            texts(|pair| pair.text_a.to_owned()),
            texts(|pair| pair.text_b.to_owned()),
            Arc::new(Float32Array::from_iter_values(batch.iter().map(|pair| label(pair)))),
            texts(|pair| pair.field.to_owned()),
            texts(|pair| pair.split.to_string()),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| DatasetError::parquet(&path)(error.into()))?;
        writer.write(&batch).map_err(DatasetError::parquet(&path))?;
    }
    writer.into_inner().map_err(DatasetError::parquet(&path))?.finish()
}

fn write_jsonl(dir: &Path, split: Split, pairs: &[&Pair<'_>]) -> Result<FileEntry, DatasetError> {
    let mut file = HashedFile::create(dir, &format!("pairs/{split}.jsonl"))?;
    let path = file.path().to_owned();
    for pair in pairs {
        let line = json!({ "text_a": pair.text_a, "text_b": pair.text_b, "label": label(pair), "field": pair.field, "split": pair.split });
        let mut line = line.to_string().into_bytes();
        escape_line_breaks(&mut line, 0);
        line.push(b'\n');
        file.write_all(&line).map_err(DatasetError::io(&path))?;
    }
    file.finish()
}
