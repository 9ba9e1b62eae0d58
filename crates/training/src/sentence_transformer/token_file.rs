//! Texts as word pieces, in a file: memory holds only where each of them ends, so it does not grow with the length of the texts.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::error::TrainingError;

/// Bytes of a word piece.
const BYTES: u64 = 4;

/// Texts by their place. The file has no name any more: it goes with the value.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    file: File,
    /// Where each text ends, in word pieces.
    ends: Vec<u64>,
}

/// A file that is being written.
pub(super) struct TokenWriter {
    path: PathBuf,
    file: BufWriter<File>,
    ends: Vec<u64>,
}

impl TokenWriter {
    /// Begins a file in the folder, which is created if it is missing.
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, TrainingError> {
        fs::create_dir_all(folder).map_err(TrainingError::io(folder))?;
        let path = folder.join(format!("{name}.tokens"));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).map_err(TrainingError::io(&path))?;
        fs::remove_file(&path).map_err(TrainingError::io(&path))?;
        Ok(Self { path, file: BufWriter::new(file), ends: Vec::new() })
    }

    /// Adds a text and returns its place.
    pub(super) fn push(&mut self, tokens: &[u32]) -> Result<u32, TrainingError> {
        for token in tokens {
            self.file.write_all(&token.to_le_bytes()).map_err(TrainingError::io(&self.path))?;
        }
        let place = u32::try_from(self.ends.len()).expect("fewer than 2^32 texts");
        self.ends.push(self.ends.last().copied().unwrap_or(0) + tokens.len() as u64);
        Ok(place)
    }

    pub(super) fn finish(self) -> Result<TokenFile, TrainingError> {
        let Self { path, file, ends } = self;
        let file = file.into_inner().map_err(|error| TrainingError::io(&path)(error.into_error()))?;
        Ok(TokenFile { path, file, ends })
    }
}

impl TokenFile {
    /// Texts.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Word pieces of a text.
    pub(super) fn length(&self, place: u32) -> usize {
        (self.ends[place as usize] - self.begin(place)) as usize
    }

    /// A text.
    pub(super) fn get(&self, place: u32) -> Result<Vec<u32>, TrainingError> {
        let mut bytes = vec![0; self.length(place) * BYTES as usize];
        self.file.read_exact_at(&mut bytes, self.begin(place) * BYTES).map_err(TrainingError::io(&self.path))?;
        let (tokens, _) = bytes.as_chunks::<4>();
        Ok(tokens.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    fn begin(&self, place: u32) -> u64 {
        match place {
            0 => 0,
            place => self.ends[place as usize - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were_and_leave_no_file_behind() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TokenWriter::create(dir.path(), "train").unwrap();
        let texts: [&[u32]; 4] = [&[1, 2, 3], &[], &[70_000], &[4, 5]];
        for (place, text) in texts.iter().enumerate() {
            assert_eq!(writer.push(text).unwrap() as usize, place);
        }
        let file = writer.finish().unwrap();
        assert_eq!(file.len(), 4);
        for place in [3, 0, 2, 1] {
            assert_eq!(file.get(place).unwrap(), texts[place as usize]);
            assert_eq!(file.length(place), texts[place as usize].len());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
