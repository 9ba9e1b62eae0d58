//! Snapshots built from a real database, each test in one of its own.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod content;
mod corpus;
mod files;
mod histories;
mod latest_value;
mod pairs;
mod scratch;
mod selection;
mod store;
mod training_labels;
