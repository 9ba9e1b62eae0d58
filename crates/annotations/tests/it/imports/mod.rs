//! Imports: Label Studio files, legacy review files, and background imports.

mod annotations;
mod concurrent;
mod deletions;
mod failures;
mod legacy_csv;
mod malformed_files;
mod one_file;
mod queue;
pub(crate) mod real_exports;
mod reimport;
#[path = "../../../../label-studio/tests/it/variants.rs"]
mod variants;
