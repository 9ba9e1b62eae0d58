//! Documents of an export as bytes of its format.

use std::collections::HashMap;
use std::io;

use annotations::export::{ExportedDocument, FieldShape, TaskParts, write_line, write_task};
use dataset::AnnotationRows;

/// Writes documents, at most so many rows.
pub(crate) struct Encoder {
    form: Form,
    left: u64,
}

enum Form {
    Lines,
    Parquet(Box<AnnotationRows>),
    Tasks { shapes: HashMap<String, FieldShape>, parts: TaskParts, begun: bool },
}

impl Encoder {
    pub(crate) fn lines(limit: Option<u64>) -> Self {
        Self { form: Form::Lines, left: limit.unwrap_or(u64::MAX) }
    }

    pub(crate) fn parquet(limit: Option<u64>) -> io::Result<Self> {
        let rows = AnnotationRows::new().map_err(io::Error::other)?;
        Ok(Self { form: Form::Parquet(Box::new(rows)), left: limit.unwrap_or(u64::MAX) })
    }

    pub(crate) fn tasks(shapes: HashMap<String, FieldShape>, parts: TaskParts, limit: Option<u64>) -> Self {
        Self { form: Form::Tasks { shapes, parts, begun: false }, left: limit.unwrap_or(u64::MAX) }
    }

    /// Whether all rows are written that were asked for.
    pub(crate) const fn is_full(&self) -> bool {
        self.left == 0
    }

    /// The bytes that are ready after these documents.
    pub(crate) fn encode(&mut self, documents: &[ExportedDocument]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for document in documents {
            match &mut self.form {
                Form::Lines => {
                    for row in document.annotations() {
                        if self.left == 0 {
                            break;
                        }
                        write_line(&row, &mut bytes);
                        self.left -= 1;
                    }
                }
                Form::Parquet(rows) => {
                    for row in document.annotations() {
                        if self.left == 0 {
                            break;
                        }
                        rows.push(&row).map_err(io::Error::other)?;
                        self.left -= 1;
                    }
                }
                Form::Tasks { shapes, parts, begun } => {
                    if self.left == 0 {
                        break;
                    }
                    let before = bytes.len();
                    bytes.extend_from_slice(if *begun { b",\n" } else { b"[" });
                    if write_task(document, shapes, *parts, &mut bytes) {
                        *begun = true;
                        self.left -= 1;
                    } else {
                        bytes.truncate(before);
                    }
                }
            }
        }
        if let Form::Parquet(rows) = &mut self.form {
            bytes = rows.take();
        }
        Ok(bytes)
    }

    /// The last bytes.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self.form {
            Form::Lines => Ok(Vec::new()),
            Form::Parquet(rows) => rows.finish().map_err(io::Error::other),
            Form::Tasks { begun, .. } => Ok(if begun { b"]\n".to_vec() } else { b"[]\n".to_vec() }),
        }
    }
}
