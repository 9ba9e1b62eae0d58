//! Parquet files: one per split, zstd-compressed, with bounded row groups and reproducible bytes.

use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::build::files::columns::{BatchBuilder, schema};
use crate::build::files::entry::FileEntry;
use crate::build::files::hashed_file::HashedFile;
use crate::error::DatasetError;
use crate::read::Example;
use crate::split::Split;

/// A batch is encoded and compressed once it reaches this size, so its plain form exceeds the limit by at most one text.
const BATCH_BYTES: usize = 4 << 20;
/// Size of a row group, whose compressed pages are held in memory until it is complete.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// Number of values after which the page size is checked. The default of 1,024 suits numbers; texts take kilobytes each.
const PAGE_SIZE_CHECK_VALUES: usize = 32;
/// Level 3 would take a third of the CPU time of a build; level 1 makes contract texts 13 % larger.
const ZSTD_LEVEL: i32 = 1;
const DISTINCT_COLUMNS: [&str; 5] = ["document_id", "text", "group", "task_id", "file_name"];

/// Writes `data/<split>-00000-of-00001.parquet`.
pub(crate) struct ParquetWriter {
    writer: ArrowWriter<HashedFile>,
    path: PathBuf,
    batch: BatchBuilder,
    group_bytes: usize,
}

impl ParquetWriter {
    pub(crate) fn create(dir: &Path, split: Split, fields: &[String]) -> Result<Self, DatasetError> {
        let file = HashedFile::create(dir, &parquet_path(split))?;
        let path = file.path().to_owned();
        let schema: SchemaRef = schema(fields);
        let batch = BatchBuilder::new(SchemaRef::clone(&schema), fields);
        let writer =
            ArrowWriter::try_new(file, schema, Some(compressed_properties(&DISTINCT_COLUMNS))).map_err(DatasetError::parquet(&path))?;
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
        let batch = self.batch.finish_batch().map_err(|error| DatasetError::parquet(&self.path)(error.into()))?;
        self.writer.write(&batch).map_err(DatasetError::parquet(&self.path))
    }

    /// Completes the file. Returns its entry and its size before compression.
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

/// Path of the Parquet file of a split, relative to the snapshot directory.
pub(crate) fn parquet_path(split: Split) -> String {
    format!("data/{split}-00000-of-00001.parquet")
}

/// Writer properties of a compressed file. `distinct` are columns whose values are mostly distinct.
pub(crate) fn compressed_properties(distinct: &[&str]) -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("1 is a zstd level");
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).set_write_batch_size(PAGE_SIZE_CHECK_VALUES);
    // a dictionary and min/max statistics would only cost time and memory for these columns
    let properties = distinct.iter().fold(properties, |properties, column| {
        let column = ColumnPath::from(*column);
        properties.set_column_dictionary_enabled(column.clone(), false).set_column_statistics_enabled(column, EnabledStatistics::None)
    });
    properties.build()
}
