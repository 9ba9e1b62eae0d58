//! Atomic file replacement.

use std::{fs, io::Write, path::Path};

use crate::error::ModelError;

/// Replaces a file atomically, so that readers never see a partial file.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let staged = path.with_extension("partial");
    let mut file = fs::File::create(&staged).map_err(ModelError::io(&staged))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(ModelError::io(&staged))?;
    fs::rename(&staged, path).map_err(ModelError::io(path))
}
