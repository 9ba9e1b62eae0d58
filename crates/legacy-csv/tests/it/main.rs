//! Reads review files as spreadsheets, data frames and people write them.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should stop it there")]

mod cells;
mod ids;
mod quotes;
mod reading;
mod whole_files;
