//! Pairs of texts to train an encoder on: what has the same label is to lie close together, what has another far apart.
//!
//! They are drawn from the examples as these pass, without a second read: of every label of every field a bounded sample stays,
//! chosen by hash, so the same snapshot gives the same pairs whatever the order of its rows.

mod draw;
mod file;
mod pool;
mod request;
mod words;

pub(crate) use draw::draw;
pub(crate) use file::{pairs_file_name, write_pairs};
pub(crate) use pool::Pool;
pub use request::{PairSide, PairsRequest};
