//! The network on the back end flex, in a few large operations instead of many small ones: texts packed without padding, no passes over
//! memory between what belongs together, and a way back written by hand. [`Bert::forward`](crate::Bert::forward) computes the same on any
//! back end, and is what this is tested against.

mod attention;
mod layer;
mod matrix;
mod operations;
mod packed;
mod vector;

pub(crate) use attention::Heads;
pub(crate) use layer::Shape;
pub(crate) use operations::{BertOps, LayerWeights, Tables};
pub(crate) use packed::Packed;
