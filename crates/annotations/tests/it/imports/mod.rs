//! Imports: Label Studio files, legacy review files, and background imports.

mod changes;
mod concurrent;
pub(crate) mod csv;
mod failures;
mod future;
mod malformed_files;
mod one_file;
mod queue;
pub(crate) mod real_exports;
mod report_of_reasons;
mod texts;
mod values;
#[path = "../../../../label-studio/tests/it/variants.rs"]
mod variants;
