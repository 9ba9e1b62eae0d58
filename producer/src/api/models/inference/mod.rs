//! Predictions with models whose encoder this process cannot compute.

pub(crate) mod client;
pub(crate) mod predictor;
