//! Converts the JSON of a task to typed form, or rejects it with a reason.

mod annotation_list;
mod canonical_items;
pub(crate) mod digits;
pub(crate) mod field_name_findings;
pub(crate) mod field_value;
mod field_values;
mod json_path;
mod latest;
mod listed_annotation;
pub(crate) mod metadata;
mod parser;
mod places;
mod predictions;
pub(crate) mod problems;
mod result_notes;
pub(crate) mod review_events;
mod reviews;
pub(crate) mod scalars;
mod times;

pub(crate) use parser::{Findings, Parser};
