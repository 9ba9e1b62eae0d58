//! Selects documents and fields as of a position, and derives the key of the resulting snapshot.

mod excluded_field;
mod key;
mod pairs_request;
mod request;
mod resolve;
mod watermark;

pub use excluded_field::{ExcludedField, ExclusionReason};
pub use key::{BUILDER_VERSION, snapshot_key};
pub(crate) use key::{MIN_VERIFIABLE_BUILDER_VERSION, SnapshotIdentity};
pub use pairs_request::{PairSide, PairsRequest};
pub use request::{Selection, SelectionRequest};
pub use watermark::{Watermark, watermark};
