//! Tokenized texts in an unlinked temporary file. Memory holds only the end of each text, so it does not grow with the text length.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::error::TrainingError;

/// Bytes of a token id.
const BYTES: u64 = 4;

/// Tokenized texts by index. The file is unlinked: it disappears when it is closed.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    file: File,
    /// End of each text, in tokens.
    ends: Vec<u64>,
}

/// Writes a [`TokenFile`].
pub(super) struct TokenWriter {
    path: PathBuf,
    file: BufWriter<File>,
    ends: Vec<u64>,
}

impl TokenWriter {
    /// Creates a file in the folder, which is created if it is missing.
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, TrainingError> {
        fs::create_dir_all(folder).map_err(TrainingError::io(folder))?;
        let path = folder.join(format!("{name}.tokens"));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).map_err(TrainingError::io(&path))?;
        fs::remove_file(&path).map_err(TrainingError::io(&path))?;
        Ok(Self { path, file: BufWriter::new(file), ends: Vec::new() })
    }

    /// Appends a text and returns its index.
    pub(super) fn push(&mut self, tokens: &[u32]) -> Result<u32, TrainingError> {
        for token in tokens {
            self.file.write_all(&token.to_le_bytes()).map_err(TrainingError::io(&self.path))?;
        }
        let index = u32::try_from(self.ends.len()).expect("fewer than 2^32 texts");
        self.ends.push(self.ends.last().copied().unwrap_or(0) + tokens.len() as u64);
        Ok(index)
    }

    pub(super) fn finish(self) -> Result<TokenFile, TrainingError> {
        let Self { path, file, ends } = self;
        let file = file.into_inner().map_err(|error| TrainingError::io(&path)(error.into_error()))?;
        Ok(TokenFile { path, file, ends })
    }
}

impl TokenFile {
    /// Number of texts.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Number of tokens of a text.
    pub(super) fn length(&self, index: u32) -> usize {
        (self.ends[index as usize] - self.start(index)) as usize
    }

    /// The token ids of a text.
    pub(super) fn get(&self, index: u32) -> Result<Vec<u32>, TrainingError> {
        let mut bytes = vec![0; self.length(index) * BYTES as usize];
        self.file.read_exact_at(&mut bytes, self.start(index) * BYTES).map_err(TrainingError::io(&self.path))?;
        let (tokens, _) = bytes.as_chunks::<4>();
        Ok(tokens.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    fn start(&self, index: u32) -> u64 {
        match index {
            0 => 0,
            index => self.ends[index as usize - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_unchanged_and_no_file_remains() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TokenWriter::create(dir.path(), "train").unwrap();
        let texts: [&[u32]; 4] = [&[1, 2, 3], &[], &[70_000], &[4, 5]];
        for (index, text) in texts.iter().enumerate() {
            assert_eq!(writer.push(text).unwrap() as usize, index);
        }
        let file = writer.finish().unwrap();
        assert_eq!(file.len(), 4);
        for index in [3, 0, 2, 1] {
            assert_eq!(file.get(index).unwrap(), texts[index as usize]);
            assert_eq!(file.length(index), texts[index as usize].len());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
