//! A file writer that computes size and hash.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::build::files::entry::FileEntry;
use crate::error::DatasetError;

const BUFFER_BYTES: usize = 256 * 1024;

/// Hashes and counts the written bytes. It cannot seek, so written bytes are final.
pub(crate) struct HashedFile {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    name: String,
    path: PathBuf,
}

impl HashedFile {
    /// Creates or truncates the file `name` below `dir`, and creates its parent directories.
    pub(crate) fn create(dir: &Path, name: &str) -> Result<Self, DatasetError> {
        let path = dir.join(name);
        let folder = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(folder).map_err(DatasetError::io(folder))?;
        let file = File::create(&path).map_err(DatasetError::io(&path))?;
        Ok(Self { file: BufWriter::with_capacity(BUFFER_BYTES, file), hash: Sha256::new(), bytes: 0, name: name.to_owned(), path })
    }

    /// Writes a complete small file.
    pub(crate) fn write_all_to(dir: &Path, name: &str, content: &[u8]) -> Result<FileEntry, DatasetError> {
        let mut file = Self::create(dir, name)?;
        file.write_all(content).map_err(DatasetError::io(&file.path))?;
        file.finish()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes the file and returns its entry.
    pub(crate) fn finish(mut self) -> Result<FileEntry, DatasetError> {
        self.file.flush().map_err(DatasetError::io(&self.path))?;
        Ok(FileEntry { path: self.name, bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
