//! Imports of Label Studio exports and legacy review files.

mod background;
mod invalid_files;
mod legacy_csv;
