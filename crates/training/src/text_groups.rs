//! Groups of near-duplicates by text: pairs of copies are one piece of evidence.

use std::{collections::HashMap, path::Path};

use sha2::{Digest, Sha256};

use crate::{dataset::read_batches, error::TrainingError};

/// Identifies a text, or a group of near-duplicates: the first half of a SHA-256, so that collisions are not to be expected.
pub(crate) type Key = [u8; 16];

pub(crate) fn key(text: &str) -> Key {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    *hash.first_chunk().expect("a hash has 32 bytes")
}

/// The groups of the documents of a split.
#[derive(Debug, Default)]
pub(crate) struct TextGroups(HashMap<Key, Key>);

impl TextGroups {
    /// Reads the documents of a split.
    pub(crate) fn read(path: &Path) -> Result<Self, TrainingError> {
        let mut groups = HashMap::new();
        read_batches(path, |lines| {
            for line in lines {
                let (example, text) = line.split();
                groups.insert(key(&text), key(&example.group));
            }
            Ok::<_, TrainingError>(())
        })?;
        Ok(Self(groups))
    }

    /// The group of a text; a text that is no document, such as a value, is a group of its own.
    pub(crate) fn of(&self, text: Key) -> Key {
        self.0.get(&text).copied().unwrap_or(text)
    }
}
