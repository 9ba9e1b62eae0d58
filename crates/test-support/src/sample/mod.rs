//! Contract-like documents with their predictions and reviews, as a Label Studio export. Written by own templates, free
//! to use for anything. The labels can be learned from the texts, but not perfectly: some texts keep a value to
//! themselves, some state another one, and reviewers slip.

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
