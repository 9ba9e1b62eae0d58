//! Comparison of two versions, or of a version with the extractor, on the same test examples, and the gate of a promotion.

pub(crate) mod deps;
mod evaluations;
pub(super) mod examples;
pub(crate) mod exclusions;
pub(super) mod extractor;
pub(crate) mod gate;
pub(super) mod route;
mod sides;
mod targets;
mod unpredicted;
pub(crate) mod versions;
