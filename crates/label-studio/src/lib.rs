//! Reads and writes Label Studio files: JSON, JSON_MIN and the Aprendiz task extension. Pure: no database, no async runtime.
//!
//! - [`TaskReader`] streams the tasks of an export, plain or gzip, and quarantines single broken tasks.
//! - [`write::write_task`] writes a document as a task that Label Studio imports and that [`TaskReader`] reads back without loss.

mod error;
mod error_offset;
mod format;
mod input;
mod inspect;
mod json_string;
mod options;
mod parse;
mod parsed_task;
mod read_summary;
mod source;
mod task_reader;
pub mod write;

pub use error::ReadError;
pub use inspect::{Inspection, inspect};
pub use options::{GroundTruth, ReadLimits, ReadOptions};
pub use parse::field_name_findings::UnusableName;
pub use parse::field_value::{FieldValue, FieldValues};
pub use parse::review_events::ReviewEvent;
pub use parsed_task::{ParsedPrediction, ParsedReview, ParsedTask};
pub use read_summary::{IgnoredCounts, ReadSummary};
pub use source::SOURCE;
pub use task_reader::TaskReader;
