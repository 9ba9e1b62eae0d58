//! One Parquet file per split: zstd, bounded row groups, the same bytes for the same rows.

use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error::DatasetError;
use crate::example::Example;
use crate::snapshot::FileEntry;
use crate::split::Split;
use crate::write::HashedFile;
use crate::write::batch::{Batch, schema};

/// A batch is encoded and compressed at this size, so its plain form never grows far beyond it (one text more).
const BATCH_BYTES: usize = 4 << 20;
/// A row group ends here: what is compressed waits in memory until then.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// Values between two looks at the size of a page. The default of 1,024 is for numbers; texts have kilobytes each.
const VALUES_PER_LOOK: usize = 32;
/// A build takes a third of its processor time for level 3; texts of contracts grow by 13 % with level 1.
const ZSTD_LEVEL: i32 = 1;
const UNIQUE: [&str; 5] = ["document_id", "text", "group", "task_id", "file_name"];

/// `data/<split>-00000-of-00001.parquet`.
pub(crate) struct ParquetSplit {
    writer: ArrowWriter<HashedFile>,
    path: PathBuf,
    batch: Batch,
    group_bytes: usize,
}

impl ParquetSplit {
    pub(crate) fn create(dir: &Path, split: Split, fields: &[String]) -> Result<Self, DatasetError> {
        let file = HashedFile::create(dir, &file_name(split))?;
        let path = file.path().to_owned();
        let schema: SchemaRef = schema(fields);
        let batch = Batch::new(SchemaRef::clone(&schema), fields);
        let writer = ArrowWriter::try_new(file, schema, Some(compressed(&UNIQUE))).map_err(DatasetError::parquet(&path))?;
        Ok(Self { writer, path, batch, group_bytes: 0 })
    }

    pub(crate) fn write(&mut self, example: &Example) -> Result<(), DatasetError> {
        self.batch.push(example);
        let group_is_full = self.group_bytes + self.batch.bytes() >= ROW_GROUP_BYTES;
        if group_is_full || self.batch.bytes() >= BATCH_BYTES {
            self.write_batch()?;
        }
        if group_is_full {
            self.writer.flush().map_err(DatasetError::parquet(&self.path))?;
            self.group_bytes = 0;
        }
        Ok(())
    }

    fn write_batch(&mut self) -> Result<(), DatasetError> {
        self.group_bytes += self.batch.bytes();
        let batch = self.batch.take().map_err(|error| DatasetError::parquet(&self.path)(error.into()))?;
        self.writer.write(&batch).map_err(DatasetError::parquet(&self.path))
    }

    /// Completes the file; also tells its size before compression.
    pub(crate) fn finish(mut self) -> Result<(FileEntry, u64), DatasetError> {
        if self.batch.rows() > 0 {
            self.write_batch()?;
        }
        self.writer.flush().map_err(DatasetError::parquet(&self.path))?;
        let plain_bytes: i64 = self.writer.flushed_row_groups().iter().map(|group| group.total_byte_size()).sum();
        let file = self.writer.into_inner().map_err(DatasetError::parquet(&self.path))?;
        Ok((file.finish()?, plain_bytes.unsigned_abs()))
    }
}

/// Path of the file of a split below the snapshot directory.
pub(crate) fn file_name(split: Split) -> String {
    format!("data/{split}-00000-of-00001.parquet")
}

/// Properties of a compressed file, as all of a snapshot are; `unique` are columns whose values differ from row to row.
pub(crate) fn compressed(unique: &[&str]) -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("1 is a zstd level");
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).set_write_batch_size(VALUES_PER_LOOK);
    // a dictionary, or a smallest and greatest value, would only cost time and memory
    let properties = unique.iter().fold(properties, |properties, column| {
        let column = ColumnPath::from(*column);
        properties.set_column_dictionary_enabled(column.clone(), false).set_column_statistics_enabled(column, EnabledStatistics::None)
    });
    properties.build()
}
