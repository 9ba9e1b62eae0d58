//! What reviewers and extractors said, read out again: as Label Studio tasks, or one row per field of a document with its history.
//!
//! Read in batches of documents in the order of their ids, as of a position: nothing is sorted by the server, no statement and no
//! transaction is open for longer than a batch, memory holds one batch, and whoever lost the connection goes on after the last row that
//! arrived. Predictions have no position: they are those of the moment. Documents that were erased are left out.
//! Not here: datasets, which have labels and splits (`dataset`), and Parquet, which is written there too.

mod annotation;
mod document;
mod label_studio;
mod line;
mod predictions;
mod reader;
mod reviews;
mod selection;
mod shapes;

pub use annotation::{ExportedAnnotation, ExportedEvent, ExportedPrediction};
pub use document::{ExportedDocument, FieldSaid};
pub use label_studio::{TaskParts, write_task};
pub use line::write_line;
pub use reader::ExportReader;
pub use selection::{ExportPlace, ExportSelection};
pub use shapes::{FieldShape, shapes};
