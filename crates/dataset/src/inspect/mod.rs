//! Looking at recorded snapshots: what is in them, what changed between two, whether they can still be made, where they come from
//! and what was made of them. Everything is computed from the append-only tables as of the position of the snapshot, so the answers do
//! not change with later edits; nothing is stored for it.
//!
//! Which documents a snapshot holds is not stored either: a document is in it when it fits its selection and had, as of its
//! position, a text, a split that is not `excluded` and an accepted value for one of its fields, and was not erased before it was built.

mod agreement;
mod conflicts;
mod diff;
mod distribution;
mod document_lineage;
mod drift;
mod erase;
mod error;
mod lineage;
mod recorded;
mod report;
mod values;
mod verify;

pub use agreement::{Agreement, FieldAgreement, ReviewerPair, agreement};
pub use conflicts::{Conflict, ConflictCursor, ConflictingValue, conflict_count, conflicts};
pub use diff::{Change, ChangeCount, ChangeKind, DatasetDiff, DiffCursor, changes, diff};
pub use document_lineage::{DocumentLineage, DocumentSnapshot, VersionToRetire, document_lineage};
pub use drift::{Drift, FieldDrift, drift};
pub use erase::{ErasedDocument, erase_document};
pub use error::InspectError;
pub use lineage::{DatasetLineage, DatasetRun, DatasetVersion, EventSource, Origin, Reviewer, lineage};
pub use recorded::{Recorded, recorded};
pub use report::{DatasetReport, FieldReport, LabelCount, report};
pub use values::{DatasetValue, ValueCursor, values};
pub use verify::{Difference, ErasureInSnapshot, Verdict, Verification, verify};
