//! Whatever the bytes are: a report or an error that is the file's fault, and never a panic.

#![no_main]

use annotations::import::{ImportOptions, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut options = ImportOptions::new("fuzz");
    (options.limits.total_bytes, options.limits.task_bytes) = (16 << 20, 4 << 20);
    match inspect(bytes, &options) {
        Ok(found) => assert!(found.documents + found.quarantined <= found.tasks),
        Err(error) => assert!(error.is_client_fault(), "{error}"),
    }
});
