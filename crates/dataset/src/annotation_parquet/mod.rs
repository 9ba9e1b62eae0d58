//! Encodes an annotation export as Parquet (zstd) in memory, from where it is taken in parts.
//!
//! The columns are the keys of the JSON lines; `events` and `predictions` are lists of structs, `spans` is a JSON string.

mod columns;
mod lists;
mod schema;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use aprendiz_annotations::export::ExportedAnnotation;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use crate::annotation_parquet::columns::Columns;
use crate::annotation_parquet::schema::schema;
use crate::build::compressed_properties;

/// Estimated size of a row group, which is held in memory until it is complete.
const ROW_GROUP_BYTES: usize = 8 << 20;
const DISTINCT_COLUMNS: [&str; 2] = ["document_id", "task_id"];

/// Writes exported annotations to a Parquet file in memory, which holds at most one row group.
pub struct AnnotationParquetWriter {
    writer: ArrowWriter<SharedBuffer>,
    buffer: SharedBuffer,
    schema: SchemaRef,
    columns: Columns,
    bytes: usize,
}

impl std::fmt::Debug for AnnotationParquetWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnnotationParquetWriter").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl AnnotationParquetWriter {
    /// Starts an empty file.
    ///
    /// # Errors
    /// Does not fail in practice, because the schema is fixed.
    pub fn new() -> Result<Self, ParquetError> {
        let schema: SchemaRef = schema();
        let buffer = SharedBuffer::default();
        let writer = ArrowWriter::try_new(buffer.clone(), Arc::clone(&schema), Some(compressed_properties(&DISTINCT_COLUMNS)))?;
        Ok(Self { writer, buffer, schema, columns: Columns::default(), bytes: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If the columns do not match the schema, which would be a bug.
    pub fn push(&mut self, row: &ExportedAnnotation<'_>) -> Result<(), ParquetError> {
        self.bytes += self.columns.push(row);
        if self.bytes >= ROW_GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    /// Takes the bytes encoded so far.
    pub fn take(&mut self) -> Vec<u8> {
        self.buffer.take()
    }

    /// Completes the file and returns its remaining bytes.
    ///
    /// # Errors
    /// As [`AnnotationParquetWriter::push`].
    pub fn finish(mut self) -> Result<Vec<u8>, ParquetError> {
        if self.bytes > 0 {
            self.write_group()?;
        }
        self.writer.close()?;
        Ok(self.buffer.take())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.columns).finish(&self.schema)?;
        self.writer.write(&batch)?;
        self.writer.flush()
    }
}

/// Buffer shared with the Parquet writer.
#[derive(Clone, Default)]
struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl SharedBuffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
