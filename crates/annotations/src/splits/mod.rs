//! Splits of documents: the names, the ratios, and the hash that assigns a group of equal texts to a split.
//!
//! `near_duplicates` changes the assignment of documents with overlapping texts.

mod group_key;
mod ratios;
mod split;

pub use group_key::compute_group_key;
pub use ratios::{InvalidRatios, SplitRatios};
pub use split::Split;
