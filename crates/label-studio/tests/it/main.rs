//! Reads malformed, malicious and randomly damaged files.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should stop it there")]

mod malformed_files;
mod variants;
