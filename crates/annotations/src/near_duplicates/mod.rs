//! Texts that overlap: which documents may not be in different splits.
//!
//! Two texts are near-duplicates when at least half of the eight-word shingles of the one that has fewer are in the other
//! (`shingles`). Pairs are found by sketches (`sketch`, `search`) and verified on the whole texts (`verify`) once, when a text
//! arrives; from then on they are rows, which splits (`placement`), the leak gate of snapshots and `explain` read.
//! Not here: which split a group falls into by its hash (`split`).

mod explain;
mod forget;
mod index;
mod missing;
mod placement;
mod search;
mod shingles;
mod sketch;
mod staging;
mod verify;

pub use explain::{NearDuplicate, SplitExplanation, SplitVersion, explain};
pub(crate) use forget::forget;
pub(crate) use index::index;
pub(crate) use missing::take_in_missing;
pub use missing::{IndexReport, index_missing, sketch_missing};
pub(crate) use placement::{place_kept, place_new, record_exclusions};
pub use shingles::Shingles;
pub use sketch::Sketch;
pub(crate) use staging::{create, drop, lock};
pub(crate) use verify::Texts;

/// Share of the shingles of the smaller text from which on two texts are near-duplicates.
pub const LEAST_CONTAINMENT: f64 = 0.5;
