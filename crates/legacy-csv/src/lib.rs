//! Reads `review.csv` files of the pipeline before Aprendiz: a row is a document, and each field has up to three columns, `<Field>_pred`,
//! `<Field>_gold` and `<Field>_status`.
//!
//! [`ReviewFileReader`] reads the rows for an import; [`score()`] scores the predictions of a file as that pipeline did. Pure: no database.

mod cell;
mod cell_text;
mod columns;
mod csv_reader;
mod encoding;
mod error;
mod file_start;
mod known_fields;
mod record;
mod review_file;
mod score;
mod status;

pub use cell::{Cell, CellWarning};
pub use error::ReadError;
pub use known_fields::KnownFields;
pub use review_file::{ReadSummary, ReviewFileReader, ReviewRow, RowDocument};
pub use score::{FieldScore, LegacyCsvScore, score};
