//! Builds and inspects snapshots on a real database; every test has a database of its own.

#![expect(clippy::unwrap_used, reason = "any failure here fails the test")]

mod content;
mod corpus;
mod files;
mod histories;
mod inspect;
mod labels;
mod latest_value;
mod pairs;
mod predictions;
mod selection;
mod store;
mod test_database;
