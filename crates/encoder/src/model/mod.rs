//! The BERT network: configuration, weights, forward pass and pooling modules.

pub(crate) mod batch;
pub(crate) mod bert;
pub(crate) mod config;
pub(crate) mod modules;
pub(crate) mod parts;
pub(crate) mod weights;
