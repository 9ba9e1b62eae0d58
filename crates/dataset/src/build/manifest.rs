//! `manifest.json`: the files of a snapshot and the selection it was built from. Written last.

use serde::Serialize;

use crate::build::files::FileEntry;
use crate::selection::SnapshotIdentity;

/// Content of the file, in key order. It holds neither times nor the requested position, so equal keys yield equal bytes.
#[derive(Serialize)]
pub(crate) struct Manifest<'a> {
    v: u32,
    canonical_hash: &'a str,
    examples: u64,
    selection: SnapshotIdentity<'a>,
    files: &'a [FileEntry],
}

impl<'a> Manifest<'a> {
    pub(crate) fn new(canonical_hash: &'a str, examples: u64, selection: SnapshotIdentity<'a>, files: &'a [FileEntry]) -> Self {
        Self { v: 1, canonical_hash, examples, selection, files }
    }
}
