//! Inspects recorded snapshots: content, differences, verification, lineage and erasure.
//!
//! Everything is computed from the append-only tables as of the position of the snapshot, so later edits do not change the results and
//! nothing is stored.
//!
//! The documents of a snapshot are not stored either. A snapshot contains a document if the document matches its selection and, as of its
//! position, has a text, a split other than `excluded` and an accepted value of a selected field, and was not erased before the build.

mod agreement;
mod conflicts;
mod diff;
mod distribution;
mod document_lineage;
mod drift;
mod erase;
mod error;
mod lineage;
mod memberships;
mod preview;
mod report;
mod runs;
mod snapshot_record;
mod values;
mod verify;
mod withdrawals;

pub use agreement::{Agreement, FieldAgreement, ReviewerPair, agreement};
pub use conflicts::{Conflict, ConflictCursor, ConflictingValue, conflict_count, conflicts};
pub use diff::{Change, ChangeCount, ChangeKind, DatasetDiff, DiffCursor, changes, diff};
pub use document_lineage::{DocumentLineage, DocumentSnapshot, VersionToRetire, document_lineage};
pub use drift::{Drift, FieldDrift, drift};
pub use erase::{ErasedDocument, erase_document};
pub use error::InspectError;
pub use lineage::{DatasetLineage, DatasetVersion, DocumentSource, EventSource, Reviewer, lineage};
pub use memberships::splits_in_snapshot;
pub use preview::{ExampleCounts, FieldPreview, LabelPreview, ProjectExamples, SelectionPreview, preview};
pub use report::{DatasetReport, FieldReport, LabelCount, report};
pub use runs::DatasetRun;
pub use snapshot_record::{SnapshotRecord, load_snapshot};
pub use values::{DatasetValue, ValueCursor, values};
pub use verify::{Difference, ErasureInSnapshot, Verdict, Verification, verify};
pub use withdrawals::{WithdrawnImport, withdrawn_imports};
