//! The network on the back end flex in a few fused operations: texts are packed without padding, memory is traversed as little as possible,
//! and the backward pass is written by hand. [`Network::forward`](crate::Network::forward) computes the same on any back end and is the reference
//! in tests.

mod attention;
mod kernels;
mod layer;
mod matrix;
mod operations;
mod packed;
mod pooling;

pub(crate) use attention::Heads;
pub(crate) use layer::Shape;
pub(crate) use operations::{EmbeddingTables, FusedOps, LayerWeights};
pub(crate) use packed::PackedBatch;
