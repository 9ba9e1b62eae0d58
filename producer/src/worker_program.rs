//! The program `aprendiz-worker`, which computes what this program does not link.

use std::path::PathBuf;

const NAME: &str = "aprendiz-worker";

/// The worker next to this program, else the one on PATH.
pub(crate) fn find_worker() -> PathBuf {
    let sibling = std::env::current_exe().ok().map(|path| path.with_file_name(NAME));
    sibling.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(NAME))
}
