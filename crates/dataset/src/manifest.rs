//! `manifest.json`: what the directory holds and what it was made from. It is written last.

use serde::Serialize;

use crate::key::Identity;
use crate::snapshot::FileEntry;

/// The file, in order of its keys. It holds neither times nor the position asked for: equal keys give equal bytes.
#[derive(Serialize)]
pub(crate) struct Manifest<'a> {
    v: u32,
    canonical_hash: &'a str,
    examples: u64,
    selection: Identity<'a>,
    files: &'a [FileEntry],
}

impl<'a> Manifest<'a> {
    pub(crate) fn new(canonical_hash: &'a str, examples: u64, selection: Identity<'a>, files: &'a [FileEntry]) -> Self {
        Self { v: 1, canonical_hash, examples, selection, files }
    }
}
