//! Takes a Label Studio JSON export into the database, in one transaction and with flat memory.
//!
//! A blocking thread reads and checks tasks (`input`, `tasks`, `parse`); the async side copies them in batches into temporary
//! tables (`staging`); when the file has ended well, set-based SQL moves everything to its place (`settle`).
//! A single document goes the same way without a file (`one_document`).
//! Nothing is visible before the commit, so a broken file, a lost connection or a dropped future leaves nothing behind.

mod answers;
mod batch;
mod controls;
mod error;
mod flat;
mod input;
mod inspect;
mod label_studio;
pub mod legacy_csv;
mod marks;
mod metadata;
mod objects;
mod one_document;
mod options;
mod parse;
mod parsed;
mod quarantine;
mod report;
mod request;
mod rows;
mod said;
mod scalars;
mod settle;
mod shapes;
mod staging;
mod task;
mod tasks;
mod unknown_keys;

pub use error::ImportError;
pub use inspect::{Inspection, inspect};
pub use label_studio::{SOURCE, label_studio};
pub use one_document::{CreatedDocument, NewDocument, create_document};
pub use options::{GroundTruth, ImportLimits, ImportOptions};
pub use quarantine::{QuarantinedTask, quarantined_file, quarantined_tasks};
pub use report::{ImportReport, NewField, Progress, Quarantined, Stage, StatusCounts};
pub use request::{
    ClaimedImport, ImportState, ImportStatus, StoredOptions, claim_import, declare_body, fail_import, finish_import, import_state,
    list_imports, release_import, renew_import, request_import,
};
