//! Converts the JSON of a task to typed form, or rejects it with a reason.

pub(crate) mod field_values;
mod metadata;
mod parser;
mod predictions;
pub(crate) mod review_events;
mod reviews;
mod scalars;

pub(crate) use parser::{Findings, Parser};
