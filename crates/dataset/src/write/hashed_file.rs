//! A file that knows its size and hash when it is complete.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::DatasetError;
use crate::snapshot::FileEntry;

/// Buffer before bytes are hashed and written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Hashes and counts what is written. Bytes are final once written: nothing seeks.
pub(crate) struct HashedFile {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    name: String,
    path: PathBuf,
}

impl HashedFile {
    /// Creates (or empties) the file `name` below `dir`, with its folders.
    pub(crate) fn create(dir: &Path, name: &str) -> Result<Self, DatasetError> {
        let path = dir.join(name);
        let folder = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(folder).map_err(DatasetError::io(folder))?;
        let file = File::create(&path).map_err(DatasetError::io(&path))?;
        Ok(Self { file: BufWriter::with_capacity(BUFFER_BYTES, file), hash: Sha256::new(), bytes: 0, name: name.to_owned(), path })
    }

    /// Writes a whole small file.
    pub(crate) fn write_whole(dir: &Path, name: &str, content: &[u8]) -> Result<FileEntry, DatasetError> {
        let mut file = Self::create(dir, name)?;
        file.write_all(content).map_err(DatasetError::io(&file.path))?;
        file.finish()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes and describes the file.
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
