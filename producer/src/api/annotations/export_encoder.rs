//! Encodes exported documents as JSON Lines, Parquet or Label Studio tasks.
//!
//! Each format ends with a mark, because the framing of HTTP does not show behind every proxy that a response was cut off: a line of its
//! own, the footer of Parquet, or a line with the closing bracket, which no task contains.

use std::collections::HashMap;
use std::io;

use aprendiz_annotations::export::{ExportEnd, ExportedDocument, FieldType, TaskParts, write_end_line, write_line, write_task};
use aprendiz_dataset::AnnotationParquetWriter;

/// Encodes up to `remaining` rows.
pub(super) struct Encoder {
    format: Format,
    remaining: u64,
}

enum Format {
    Lines { end: ExportEnd },
    Parquet(Box<AnnotationParquetWriter>),
    Tasks { field_types: HashMap<String, FieldType>, parts: TaskParts, has_tasks: bool },
}

impl Encoder {
    pub(super) fn lines(limit: Option<u64>, position: i64) -> Self {
        Self { format: Format::Lines { end: ExportEnd { rows: 0, position } }, remaining: limit.unwrap_or(u64::MAX) }
    }

    pub(super) fn parquet(limit: Option<u64>) -> io::Result<Self> {
        let rows = AnnotationParquetWriter::new().map_err(io::Error::other)?;
        Ok(Self { format: Format::Parquet(Box::new(rows)), remaining: limit.unwrap_or(u64::MAX) })
    }

    pub(super) fn tasks(field_types: HashMap<String, FieldType>, parts: TaskParts, limit: Option<u64>) -> Self {
        Self { format: Format::Tasks { field_types, parts, has_tasks: false }, remaining: limit.unwrap_or(u64::MAX) }
    }

    /// Whether the row limit is reached.
    pub(super) const fn is_full(&self) -> bool {
        self.remaining == 0
    }

    /// Encodes documents; returns the bytes that are complete so far.
    pub(super) fn encode(&mut self, documents: &[ExportedDocument]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for document in documents {
            match &mut self.format {
                Format::Lines { end } => {
                    for row in document.annotations() {
                        if self.remaining == 0 {
                            break;
                        }
                        write_line(&row, &mut bytes);
                        end.rows += 1;
                        self.remaining -= 1;
                    }
                }
                Format::Parquet(rows) => {
                    for row in document.annotations() {
                        if self.remaining == 0 {
                            break;
                        }
                        rows.push(&row).map_err(io::Error::other)?;
                        self.remaining -= 1;
                    }
                }
                Format::Tasks { field_types, parts, has_tasks } => {
                    if self.remaining == 0 {
                        break;
                    }
                    let before = bytes.len();
                    bytes.extend_from_slice(if *has_tasks { b",\n" } else { b"[\n" });
                    if write_task(document, field_types, *parts, &mut bytes) {
                        *has_tasks = true;
                        self.remaining -= 1;
                    } else {
                        bytes.truncate(before);
                    }
                }
            }
        }
        if let Format::Parquet(rows) = &mut self.format {
            bytes = rows.take();
        }
        Ok(bytes)
    }

    /// Returns the remaining bytes.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self.format {
            Format::Lines { end } => {
                let mut bytes = Vec::new();
                write_end_line(end, &mut bytes);
                Ok(bytes)
            }
            Format::Parquet(rows) => rows.finish().map_err(io::Error::other),
            Format::Tasks { has_tasks, .. } => Ok(if has_tasks { b"\n]\n".to_vec() } else { b"[\n]\n".to_vec() }),
        }
    }
}
