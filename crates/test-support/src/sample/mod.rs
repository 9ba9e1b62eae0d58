//! Generates contract-like documents with predictions and reviews as a Label Studio export.
//!
//! All templates were written for this project and are free to use. The labels can be learned from the texts, but not perfectly: some
//! texts omit a value or state a wrong one, and reviewers make mistakes.

mod class;
mod clauses;
mod contract;
mod export;
mod labels;
mod money;
mod opening;
mod paragraphs;
mod random;
mod review;
mod template;

pub use export::{Extent, write_contracts};
