//! Reads files as people send them: incomplete, malformed, malicious and randomly damaged.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should stop it there")]

mod almost_json;
mod bad_parts;
mod completions;
mod ids_and_times;
mod malformed_files;
mod newest_annotation;
mod null_results;
mod odd_texts;
mod order;
mod reading;
mod spans;
mod stored_forms;
mod variants;
