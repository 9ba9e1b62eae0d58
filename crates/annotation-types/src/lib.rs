//! Types shared by the readers of annotation files and by the database layer. No I/O.
//!
//! The feature `sqlx` implements the sqlx traits for the types that are stored in columns; the readers build without it.

mod field;
mod normalization;
mod quarantined_task;
mod review_status;
mod scalars;
mod spans;

pub use field::{Cardinality, FieldKind, FieldType, is_iso_date, is_number, is_valid_field_name};
pub use normalization::{Case, Normalization, Normalizer};
pub use quarantined_task::QuarantinedTask;
pub use review_status::ReviewStatus;
pub use scalars::{MAX_ID_CHARS, parse_time, truncate_printable};
pub use spans::{IndexedText, Span};
