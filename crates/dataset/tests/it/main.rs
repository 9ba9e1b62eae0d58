//! Snapshots built from a real database, each test in one of its own.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod content;
mod corpus;
mod diffing;
mod erasing;
mod files;
mod histories;
mod inspecting;
mod latest_value;
mod lineage;
mod pairs;
mod reporting;
mod scratch;
mod selection;
mod store;
mod training_labels;
mod verifying;
