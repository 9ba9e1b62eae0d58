//! Imports annotation files, and single documents, in one transaction and with bounded memory.
//!
//! - `queue`: background imports, whose files are stored in the bucket.
//! - `staging`: a blocking thread parses a file; its rows are copied in batches into temporary tables.
//! - `merge`: once the whole file is staged, set-based SQL moves the rows to their tables.
//! - `legacy_csv`: the importer of legacy review files, on the same temporary tables.
//!
//! Nothing is visible before the commit: a broken file, a lost connection or a dropped future leaves nothing behind.

mod create_document;
mod error;
mod label_studio;
pub mod legacy_csv;
mod merge;
mod new_document;
mod options;
mod quarantine;
mod queue;
mod reader_thread;
mod report;
mod source_name;
mod staging;
mod storable;

pub use aprendiz_annotation_types::QuarantinedTask;
pub use aprendiz_label_studio::{GroundTruth, ReadError, SOURCE};
pub use create_document::{CreatedDocument, create_document};
pub use error::ImportError;
pub use label_studio::import_label_studio;
pub use new_document::NewDocument;
pub use options::{ImportLimits, ImportOptions};
pub use quarantine::{QuarantineEntry, quarantined_file, quarantined_tasks};
pub use queue::{
    ClaimedImport, ImportState, ImportStatus, StoredFile, StoredOptions, StoredReport, claim_import, declare_import_object, fail_import,
    find_import_ids, find_stored_files, finish_import, import_state, list_imports, lock_import, record_import_upload, release_import,
    renew_import, request_import,
};
pub use report::{ImportReport, NewField, Progress, Stage, StatusCounts};
pub use source_name::check_source_name;
