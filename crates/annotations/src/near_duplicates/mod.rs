//! Near-duplicates: documents with overlapping texts, which must not be in different splits.
//!
//! Two texts are near-duplicates when at least half of the eight-word shingles of the text that has fewer also occur in the other
//! (`shingles`). When a text arrives, sketches find its candidates (`sketch`, `search`), and the whole texts verify them (`verify`). The
//! pairs are stored, and are used by the assignment of splits (`split_assignment`), the leakage check of snapshots and `explain`.

mod backfill;
mod delete;
mod explain;
mod explanation;
mod firsts;
mod index;
mod likeness;
mod missing_texts;
mod search;
mod shingles;
mod sketch;
mod split_assignment;
mod staging;
mod texts;
mod verify;

pub(crate) use backfill::backfill;
pub use backfill::{IndexReport, backfill_index, backfill_sketches};
pub(crate) use delete::delete;
pub use explain::explain;
pub use explanation::{NearDuplicate, SplitExplanation, SplitVersion};
pub(crate) use index::index;
pub(crate) use likeness::Likeness;
pub use shingles::{MIN_CONTAINMENT, Shingles};
pub use sketch::Sketch;
pub(crate) use split_assignment::{assign_splits, exclude_bridges, record_exclusions};
pub(crate) use staging::{create, drop, lock};
pub(crate) use texts::TextSource;
