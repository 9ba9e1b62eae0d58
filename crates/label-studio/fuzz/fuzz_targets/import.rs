//! Any input yields a report or an error that is the client's fault, and never a panic.

#![no_main]

use aprendiz_label_studio::{ReadOptions, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut options = ReadOptions::default();
    (options.limits.total_bytes, options.limits.task_bytes) = (16 << 20, 4 << 20);
    match inspect(bytes, &options) {
        Ok(found) => assert!(found.documents + found.quarantined <= found.tasks),
        Err(error) => assert!(error.is_client_fault(), "{error}"),
    }
});
