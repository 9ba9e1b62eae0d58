//! Text pairs for training an encoder: positives share a label, negatives have different labels.
//!
//! Pairs are drawn from the examples while they are streamed, without a second read. A bounded sample of every label of every field is
//! kept, chosen by hash, so a snapshot yields the same pairs regardless of row order.

mod draw;
mod files;
mod pool;
mod similarity;

pub(crate) use draw::draw_pairs;
pub(crate) use files::{pairs_path, write_pairs};
pub(crate) use pool::Pool;
