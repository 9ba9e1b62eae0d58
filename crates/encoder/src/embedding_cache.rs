//! A cache of text vectors on disk, keyed by the hash of the token ids.
//!
//! Cache files are immutable: safetensors with `keys` `[n, 32]`, the SHA-256 of the token ids of each text, and `vectors` `[n, h]`. The
//! caller must not mix files of different [`embeddings_fingerprint`]s.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorView},
};
use sha2::{Digest, Sha256};

use crate::error::EncoderError;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Maximum size of the header of a file: two tensors take about 200 bytes.
const MAX_HEADER_BYTES: u64 = 1 << 16;
/// Size of the length field at the beginning of a safetensors file.
const LENGTH_BYTES: u64 = 8;

type Key = [u8; KEY_BYTES];

/// Version of the arithmetic. Raise it when the same weights give different vectors than before, even in the last bit.
const ARITHMETIC_VERSION: u32 = 2;

/// Fingerprint of the vectors that a base model computes on the back end flex: if it is equal, the same token ids give the same vector to
/// the last bit. `base_model` is its hash, `kernel` the CPU kernel.
#[must_use]
pub fn embeddings_fingerprint(base_model: &str, kernel: &str) -> String {
    let input = format!("{ARITHMETIC_VERSION} {} {} {kernel}", env!("CARGO_PKG_VERSION"), base_model);
    hex::encode(Sha256::digest(input))
}

/// Cached vectors, and vectors that are new.
///
/// A file is only trusted after vectors of a few of its texts were computed again with the same result: a wrong file name must not lead to
/// wrong vectors.
#[derive(Debug)]
pub struct EmbeddingCache {
    /// Dimension of the vectors.
    size: usize,
    files: Vec<StoredFile>,
    cached: HashMap<Key, Location>,
    computed: BTreeMap<Key, Vec<f32>>,
    found: u64,
    rejected: Vec<EncoderError>,
}

#[derive(Debug)]
struct StoredFile {
    path: PathBuf,
    file: File,
    /// Offset of its vectors.
    offset: u64,
    /// Whether one of its vectors was computed again with the same result.
    is_verified: bool,
}

#[derive(Debug, Clone, Copy)]
struct Location {
    file: u32,
    row: u32,
}

impl EmbeddingCache {
    /// An empty cache for vectors of dimension `size`.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, files: Vec::new(), cached: HashMap::new(), computed: BTreeMap::new(), found: 0, rejected: Vec::new() }
    }

    /// Adds a file. Reads its keys; the vectors stay on disk. A file that cannot be read or is malformed is [rejected](Self::rejected).
    pub fn add_file(&mut self, path: &Path) {
        if let Err(error) = self.read_file(path) {
            self.rejected.push(error);
        }
    }

    fn read_file(&mut self, path: &Path) -> Result<(), EncoderError> {
        let mut file = File::open(path).map_err(EncoderError::io(path))?;
        let (keys, offset) = read_keys(&mut file, path, self.size)?;
        let number = u32::try_from(self.files.len()).expect("fewer than 2^32 files");
        self.files.push(StoredFile { path: path.to_owned(), file, offset, is_verified: false });
        let locations = keys.into_iter().zip(0..).map(|(key, row)| (key, Location { file: number, row }));
        self.cached.extend(locations);
        Ok(())
    }

    /// The cached vector of a text.
    pub fn get(&mut self, tokens: &[u32]) -> Option<Vec<f32>> {
        let key = token_key(tokens);
        if let Some(vector) = self.computed.get(&key) {
            return Some(vector.clone());
        }
        let location = *self.cached.get(&key).filter(|location| self.files[location.file as usize].is_verified)?;
        let vector = self.read(location)?;
        self.found += 1;
        Some(vector)
    }

    /// One text of each file that is not verified yet, if any of the texts is in it.
    pub(crate) fn unverified_files<'a>(&self, texts: impl Iterator<Item = &'a [u32]>) -> Vec<&'a [u32]> {
        if self.files.iter().all(|file| file.is_verified) {
            return Vec::new();
        }
        let mut probes: BTreeMap<u32, &[u32]> = BTreeMap::new();
        for text in texts {
            if let Some(location) = self.cached.get(&token_key(text))
                && !self.files[location.file as usize].is_verified
            {
                probes.entry(location.file).or_insert(text);
            }
        }
        probes.into_values().collect()
    }

    /// Adds a computed vector, or compares it with the vector in a file.
    pub fn insert(&mut self, tokens: &[u32], vector: &[f32]) {
        let key = token_key(tokens);
        if let Some(location) = self.cached.get(&key).copied() {
            let bits = |vector: &[f32]| vector.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            if let Some(stored) = self.read(location) {
                let file = &mut self.files[location.file as usize];
                if bits(&stored) == bits(vector) {
                    file.is_verified = true;
                    return;
                }
                let reason = "has vectors that differ from the computed ones, although its name implies that they are equal";
                let error = EncoderError::rejected(&file.path, reason);
                self.reject(location.file, error);
            }
        }
        self.computed.insert(key, vector.to_vec());
    }

    /// Reads a vector of a file. If that fails, rejects the file and returns `None`.
    fn read(&mut self, location: Location) -> Option<Vec<f32>> {
        let stored = &self.files[location.file as usize];
        let mut bytes = vec![0; self.size * size_of::<f32>()];
        let offset = stored.offset + u64::from(location.row) * bytes.len() as u64;
        match stored.file.read_exact_at(&mut bytes, offset).map_err(EncoderError::io(&stored.path)) {
            Ok(()) => Some(bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()),
            Err(error) => {
                self.reject(location.file, error);
                None
            }
        }
    }

    fn reject(&mut self, file: u32, error: EncoderError) {
        self.cached.retain(|_, location| location.file != file);
        self.rejected.push(error);
    }

    /// The errors for which files were rejected.
    #[must_use]
    pub fn rejected(&self) -> &[EncoderError] {
        &self.rejected
    }

    /// Number of vectors that came from files.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Number of new vectors.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.computed.len() as u64
    }

    /// Files that contributed at least one vector.
    pub fn used_files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().filter(|file| file.is_verified).map(|file| file.path.as_path())
    }

    /// Writes the new vectors to a file, in the order of their keys.
    ///
    /// # Errors
    /// `io` if it cannot be written.
    pub fn write_computed(&self, path: &Path) -> Result<(), EncoderError> {
        let reject = |error| EncoderError::rejected(path, format!("cannot be written: {error}"));
        let keys: Vec<u8> = self.computed.keys().flatten().copied().collect();
        let vectors: Vec<u8> = self.computed.values().flatten().flat_map(|value| value.to_le_bytes()).collect();
        let keys = TensorView::new(Dtype::U8, vec![self.computed.len(), KEY_BYTES], &keys).map_err(reject)?;
        let vectors = TensorView::new(Dtype::F32, vec![self.computed.len(), self.size], &vectors).map_err(reject)?;
        let bytes = safetensors::serialize([("keys", keys), ("vectors", vectors)], None).map_err(reject)?;
        let mut file = File::create(path).map_err(EncoderError::io(path))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(EncoderError::io(path))
    }
}

fn token_key(tokens: &[u32]) -> Key {
    let mut hash = Sha256::new();
    for token in tokens {
        hash.update(token.to_le_bytes());
    }
    hash.finalize().into()
}

/// The keys of a file, and the offset of its vectors.
fn read_keys(file: &mut File, path: &Path, size: usize) -> Result<(Vec<Key>, u64), EncoderError> {
    let reject = |reason: String| EncoderError::rejected(path, reason);
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact(&mut length).map_err(EncoderError::io(path))?;
    let header = u64::from_le_bytes(length);
    if header > MAX_HEADER_BYTES {
        return Err(reject(format!("not an embedding file: its header has {header} bytes")));
    }
    let mut text = Vec::new();
    file.take(header).read_to_end(&mut text).map_err(EncoderError::io(path))?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| reject(format!("not valid safetensors: {error}")))?;
    let start = LENGTH_BYTES + header;
    let bytes = file.metadata().map_err(EncoderError::io(path))?.len();
    if bytes != start + metadata.data_len() as u64 {
        return Err(reject(format!("has {bytes} bytes, expected {} according to its header", start + metadata.data_len() as u64)));
    }
    let locate = |name: &str, dtype: Dtype, width: usize| {
        let info = metadata.info(name).filter(|info| info.dtype == dtype && info.shape.len() == 2 && info.shape[1] == width);
        let info = info.ok_or_else(|| reject(format!("has no `{name}` of {width} columns as {dtype:?}")))?;
        Ok::<_, EncoderError>((info.shape[0], start + info.data_offsets.0 as u64))
    };
    let (rows, keys_at) = locate("keys", Dtype::U8, KEY_BYTES)?;
    let (vectors, vectors_at) = locate("vectors", Dtype::F32, size)?;
    if vectors != rows || u32::try_from(rows).is_err() {
        return Err(reject(format!("has {rows} keys and {vectors} vectors")));
    }
    let mut keys = vec![0; rows * KEY_BYTES];
    file.read_exact_at(&mut keys, keys_at).map_err(EncoderError::io(path))?;
    let (keys, _) = keys.as_chunks::<KEY_BYTES>();
    Ok((keys.to_vec(), vectors_at))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Text<'a> = (&'a [u32], [f32; 2]);

    fn write_file(dir: &Path, name: &str, texts: &[Text<'_>]) -> PathBuf {
        let mut embeddings = EmbeddingCache::new(2);
        for (tokens, vector) in texts {
            assert_eq!(embeddings.get(tokens), None);
            embeddings.insert(tokens, vector);
        }
        let path = dir.join(name);
        embeddings.write_computed(&path).unwrap();
        path
    }

    fn open(files: &[&Path]) -> EmbeddingCache {
        let mut embeddings = EmbeddingCache::new(2);
        files.iter().for_each(|file| embeddings.add_file(file));
        embeddings
    }

    #[test]
    fn vectors_are_found_by_token_ids_once_the_file_is_verified() {
        let dir = tempfile::tempdir().unwrap();
        let first = write_file(dir.path(), "1", &[(&[1, 2, 3], [0.5, -0.0]), (&[1, 2], [1.0, 2.0])]);
        let second = write_file(dir.path(), "2", &[(&[7], [3.0, f32::MIN_POSITIVE])]);
        let mut embeddings = open(&[&first, &second]);
        assert_eq!(embeddings.get(&[1, 2]), None, "the file is not verified yet");
        embeddings.insert(&[1, 2], &[1.0, 2.0]);
        assert_eq!(embeddings.used_files().collect::<Vec<_>>(), [&first]);
        let found = embeddings.get(&[1, 2, 3]).unwrap();
        assert_eq!((found[0], found[1].to_bits()), (0.5, (-0.0_f32).to_bits()));
        assert_eq!((embeddings.get(&[3, 2, 1]), embeddings.get(&[7])), (None, None));
        embeddings.insert(&[3, 2, 1], &[9.0, 9.0]);
        assert_eq!(embeddings.get(&[3, 2, 1]).unwrap(), [9.0, 9.0]);
        assert_eq!((embeddings.found(), embeddings.computed()), (1, 1));
    }

    #[test]
    fn one_text_of_each_unverified_file_verifies_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = write_file(dir.path(), "1", &[(&[1], [0.5, 1.0]), (&[2], [1.0, 2.0])]);
        let second = write_file(dir.path(), "2", &[(&[7], [3.0, 4.0])]);
        let mut embeddings = open(&[&first, &second]);
        let texts: [&[u32]; 4] = [&[9], &[2], &[1], &[7]];
        assert_eq!(embeddings.unverified_files(texts.into_iter()), [&[2], &[7]]);
        embeddings.insert(&[2], &[1.0, 2.0]);
        assert_eq!(embeddings.unverified_files(texts.into_iter()), [&[7]]);
        embeddings.insert(&[7], &[3.0, 4.0]);
        assert!(embeddings.unverified_files(texts.into_iter()).is_empty());
    }

    #[test]
    fn a_file_whose_vectors_differ_from_the_computed_ones_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let file = write_file(dir.path(), "of other weights", &[(&[1], [0.5, 0.25]), (&[2], [1.0, 2.0])]);
        let mut embeddings = open(&[&file]);
        embeddings.insert(&[1], &[0.5, 0.250_000_03]);
        assert!(embeddings.rejected()[0].to_string().contains("of other weights"));
        assert_eq!((embeddings.get(&[2]), embeddings.get(&[1]).unwrap()), (None, vec![0.5, 0.250_000_03]));
        assert_eq!((embeddings.computed(), embeddings.used_files().count()), (1, 0));
    }

    #[test]
    fn a_file_that_becomes_unreadable_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let file = write_file(dir.path(), "1", &[(&[1], [0.5, 0.25]), (&[2], [1.0, 2.0])]);
        let mut embeddings = open(&[&file]);
        embeddings.insert(&[1], &[0.5, 0.25]);
        File::options().write(true).open(&file).unwrap().set_len(8).unwrap();
        assert_eq!(embeddings.get(&[2]), None);
        assert_eq!((embeddings.rejected().len(), embeddings.get(&[1])), (1, None));
    }

    #[test]
    fn the_file_does_not_depend_on_the_order_of_insertion() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b): (Text<'_>, Text<'_>) = ((&[1], [1.0, 1.0]), (&[2], [2.0, 2.0]));
        let [one, other] = [[a, b], [b, a]].map(|texts| fs::read(write_file(dir.path(), "1", &texts)).unwrap());
        assert_eq!(one, other);
    }

    #[test]
    fn a_malformed_file_is_rejected_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let good = fs::read(write_file(dir.path(), "good", &[(&[1], [1.0, 2.0])])).unwrap();
        let bad = dir.path().join("bad");
        let mut huge = good.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        for bytes in [&good[..4], &good[..20], &good[..good.len() - 1], &huge, b"{}", &[]] {
            fs::write(&bad, bytes).unwrap();
            assert!(open(&[&bad]).rejected()[0].to_string().contains("bad"));
        }
        fs::write(&bad, &good).unwrap();
        let mut wider = EmbeddingCache::new(3);
        wider.add_file(&bad);
        assert!(wider.rejected()[0].to_string().contains("3 columns"));
    }
}
