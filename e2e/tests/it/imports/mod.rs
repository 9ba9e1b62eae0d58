//! Imports of Label Studio exports and legacy review files.

mod background;
mod interrupted_revert;
mod interrupted_upload;
mod invalid_files;
mod legacy_csv;
mod sources;
