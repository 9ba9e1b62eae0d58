//! Exports reviews and predictions: as Label Studio tasks, or as one row per document and field with its history.
//!
//! The reader returns batches of documents in the order of their ids, as of a position. The server sorts nothing, no statement or
//! transaction is open for longer than a batch, and memory holds one batch. After a lost connection a client continues after the last row
//! it received. Predictions have no position: the export contains the current ones. Erased documents are excluded.
//! The crate `dataset` exports datasets with labels and splits, also as Parquet.

mod cursor;
mod field_types;
mod label_studio;
mod load;
mod reader;
mod row;
mod selection;
mod source;
mod types;

pub use cursor::ExportCursor;
pub use field_types::{FieldType, field_types};
pub use label_studio::{TaskParts, write_task};
pub use reader::ExportReader;
pub use row::{ExportEnd, ExportedAnnotation, read_end_line, write_end_line, write_line};
pub use selection::ExportSelection;
pub use source::label_studio_sources;
pub use types::{ExportedDocument, ExportedEvent, ExportedField, ExportedPrediction};
