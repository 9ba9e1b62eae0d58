//! Temporary tables that hold the rows of a file until the whole file was read.
//!
//! They are not written to the WAL and vanish with the transaction. The checked macros of sqlx do not know temporary tables, so the
//! statements of this module and of `merge` are plain static strings; the integration tests run each of them.

mod batch;
mod copy_rows;
mod latest_flags;
mod read_batches;
mod review_event_columns;
mod review_event_tables;
mod seen_labels;
mod staged_value;
mod tables;

pub(super) use batch::{Batch, StagedDocument};
pub(super) use read_batches::read_batches;
pub(super) use tables::{create, drop, insert};
