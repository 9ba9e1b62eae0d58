//! Imports legacy review files. The crate `aprendiz-legacy-csv` parses them; they are merged like other imports, with the same locks,
//! checks and derived states.

mod error;
mod import;
mod merge;
mod options;
mod record;
mod report;
pub(in crate::import) mod source;
mod staging;

pub use aprendiz_legacy_csv::{FieldScore, LegacyCsvScore, ReadError, score};
pub use error::LegacyCsvError;
pub use import::import_legacy_csv;
pub use options::LegacyCsvOptions;
pub use report::LegacyCsvReport;
