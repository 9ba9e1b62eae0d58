//! Imports: Label Studio files, legacy review files, and background imports.

mod addresses;
mod annotations;
mod canonical_text;
mod concurrent;
mod deletions;
mod equal_times;
mod evidence;
mod failures;
mod field_names;
mod future;
mod html;
mod labels;
mod legacy_csv;
mod malformed_files;
mod one_file;
mod places;
mod queue;
pub(crate) mod real_exports;
mod reimport;
mod report_of_reasons;
mod spreadsheets;
#[path = "../../../../label-studio/tests/it/variants.rs"]
mod variants;
mod whole_numbers;
