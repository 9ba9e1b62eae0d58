//! Legacy review files.

pub(crate) mod legacy_csv;
mod spreadsheets;
mod suspicious_values;
