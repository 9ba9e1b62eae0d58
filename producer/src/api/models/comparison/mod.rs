//! Comparison of two versions on the test examples of both, and the gate of a promotion.

pub(crate) mod deps;
pub(super) mod examples;
pub(crate) mod gate;
pub(super) mod route;
mod targets;
pub(crate) mod versions;
