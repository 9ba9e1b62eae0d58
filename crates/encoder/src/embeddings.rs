//! Vectors that an encoder has made before, by the hash of the word pieces: what is unchanged is not computed again.
//!
//! They lie in files that are written once and never changed: safetensors with `keys` `[n, 32]`, the SHA-256 of the word pieces of each
//! text, and `vectors` `[n, h]`. Whoever keeps the files keeps those of each [`embeddings_fingerprint`] apart.

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

use crate::{base_model::BaseModel, config::BertConfig, encoder::CONFIG_FILE, error::EncoderError, modules::Modules};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Longest header of a file: two tensors take about 200 bytes.
const MOST_HEADER_BYTES: u64 = 1 << 16;
/// Bytes of the length that a safetensors file begins with.
const LENGTH_BYTES: u64 = 8;

type Key = [u8; KEY_BYTES];

/// Raised when the same weights give other vectors than the version before, be it in the last bit.
const ARITHMETIC: u32 = 1;

/// Names the vectors that a base model gives on the back end flex: where two are equal, the same word pieces give the same vector to the
/// last bit. `kernel` says which vector instructions compute.
///
/// # Errors
/// If the directory cannot be read.
pub fn embeddings_fingerprint(base: &BaseModel, kernel: &str) -> Result<String, EncoderError> {
    let config = BertConfig::read(&base.dir.join(CONFIG_FILE))?;
    // the longest text is no part of it: a key holds the word pieces that are left of a text
    let normalize = Modules::read(&base.dir, config.max_position_embeddings)?.normalize;
    let of = format!("{ARITHMETIC} {} {} {normalize} {kernel}", env!("CARGO_PKG_VERSION"), base.hash);
    Ok(hex::encode(Sha256::digest(of)))
}

/// Vectors made before, and those that are new.
///
/// No file is believed before the vectors of a few texts have been computed again and are the same: a name can be wrong, arithmetic cannot.
#[derive(Debug)]
pub struct Embeddings {
    /// Numbers of a vector.
    size: usize,
    files: Vec<StoredFile>,
    known: HashMap<Key, Place>,
    fresh: BTreeMap<Key, Vec<f32>>,
    found: u64,
    refused: Vec<EncoderError>,
}

#[derive(Debug)]
struct StoredFile {
    path: PathBuf,
    file: File,
    /// Where its vectors begin.
    offset: u64,
    /// Whether a vector of it was needed, computed again and found the same.
    is_right: bool,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    file: u32,
    row: u32,
}

impl Embeddings {
    /// Knows nothing yet of vectors of `size` numbers.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, files: Vec::new(), known: HashMap::new(), fresh: BTreeMap::new(), found: 0, refused: Vec::new() }
    }

    /// Reads which vectors a file holds; the vectors themselves stay on the disk. A file that cannot be read or holds something else is
    /// [refused](Self::refused).
    pub fn add_file(&mut self, path: &Path) {
        if let Err(error) = self.read_file(path) {
            self.refused.push(error);
        }
    }

    fn read_file(&mut self, path: &Path) -> Result<(), EncoderError> {
        let mut file = File::open(path).map_err(EncoderError::io(path))?;
        let (keys, offset) = read_keys(&mut file, path, self.size)?;
        let number = u32::try_from(self.files.len()).expect("there are fewer than 2^32 files");
        self.files.push(StoredFile { path: path.to_owned(), file, offset, is_right: false });
        let places = keys.into_iter().zip(0..).map(|(key, row)| (key, Place { file: number, row }));
        self.known.extend(places);
        Ok(())
    }

    /// The vector of a text that is known.
    pub fn get(&mut self, tokens: &[u32]) -> Option<Vec<f32>> {
        let key = key_of(tokens);
        if let Some(vector) = self.fresh.get(&key) {
            return Some(vector.clone());
        }
        let place = *self.known.get(&key).filter(|place| self.files[place.file as usize].is_right)?;
        let vector = self.read(place)?;
        self.found += 1;
        Some(vector)
    }

    /// Remembers a vector that was computed.
    pub fn insert(&mut self, tokens: &[u32], vector: &[f32]) {
        let key = key_of(tokens);
        if let Some(place) = self.known.get(&key).copied() {
            let bits = |vector: &[f32]| vector.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            if let Some(stored) = self.read(place) {
                let file = &mut self.files[place.file as usize];
                if bits(&stored) == bits(vector) {
                    file.is_right = true;
                    return;
                }
                let reason = "holds other vectors than are computed: its name promises the same";
                let error = EncoderError::refused(&file.path, reason);
                self.refuse(place.file, error);
            }
        }
        self.fresh.insert(key, vector.to_vec());
    }

    /// A vector of a file; `None` if it cannot be read any more, which is the end of the file here.
    fn read(&mut self, place: Place) -> Option<Vec<f32>> {
        let stored = &self.files[place.file as usize];
        let mut bytes = vec![0; self.size * size_of::<f32>()];
        let offset = stored.offset + u64::from(place.row) * bytes.len() as u64;
        match stored.file.read_exact_at(&mut bytes, offset).map_err(EncoderError::io(&stored.path)) {
            Ok(()) => Some(bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()),
            Err(error) => {
                self.refuse(place.file, error);
                None
            }
        }
    }

    fn refuse(&mut self, file: u32, error: EncoderError) {
        self.known.retain(|_, place| place.file != file);
        self.refused.push(error);
    }

    /// Why files were passed over.
    #[must_use]
    pub fn refused(&self) -> &[EncoderError] {
        &self.refused
    }

    /// Vectors that came from files.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Vectors that are new.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.fresh.len() as u64
    }

    /// Files that hold a vector that was needed.
    pub fn used_files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().filter(|file| file.is_right).map(|file| file.path.as_path())
    }

    /// Writes the new vectors as a file of their own, in the order of their keys.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_fresh(&self, path: &Path) -> Result<(), EncoderError> {
        let refuse = |error| EncoderError::refused(path, format!("cannot be written: {error}"));
        let keys: Vec<u8> = self.fresh.keys().flatten().copied().collect();
        let vectors: Vec<u8> = self.fresh.values().flatten().flat_map(|value| value.to_le_bytes()).collect();
        let keys = TensorView::new(Dtype::U8, vec![self.fresh.len(), KEY_BYTES], &keys).map_err(refuse)?;
        let vectors = TensorView::new(Dtype::F32, vec![self.fresh.len(), self.size], &vectors).map_err(refuse)?;
        let bytes = safetensors::serialize([("keys", keys), ("vectors", vectors)], None).map_err(refuse)?;
        let mut file = File::create(path).map_err(EncoderError::io(path))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(EncoderError::io(path))
    }
}

fn key_of(tokens: &[u32]) -> Key {
    let mut hash = Sha256::new();
    for token in tokens {
        hash.update(token.to_le_bytes());
    }
    hash.finalize().into()
}

/// The keys of a file, and where its vectors begin.
fn read_keys(file: &mut File, path: &Path, size: usize) -> Result<(Vec<Key>, u64), EncoderError> {
    let refuse = |reason: String| EncoderError::refused(path, reason);
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact(&mut length).map_err(EncoderError::io(path))?;
    let header = u64::from_le_bytes(length);
    if header > MOST_HEADER_BYTES {
        return Err(refuse(format!("its header of {header} bytes is none of embeddings")));
    }
    let mut text = Vec::new();
    file.take(header).read_to_end(&mut text).map_err(EncoderError::io(path))?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| refuse(format!("not valid safetensors: {error}")))?;
    let start = LENGTH_BYTES + header;
    let bytes = file.metadata().map_err(EncoderError::io(path))?.len();
    if bytes != start + metadata.data_len() as u64 {
        return Err(refuse(format!("has {bytes} bytes, its header says {}", start + metadata.data_len() as u64)));
    }
    let place = |name: &str, dtype: Dtype, width: usize| {
        let info = metadata.info(name).filter(|info| info.dtype == dtype && info.shape.len() == 2 && info.shape[1] == width);
        let info = info.ok_or_else(|| refuse(format!("has no `{name}` of {width} columns as {dtype:?}")))?;
        Ok::<_, EncoderError>((info.shape[0], start + info.data_offsets.0 as u64))
    };
    let (rows, keys_at) = place("keys", Dtype::U8, KEY_BYTES)?;
    let (vectors, vectors_at) = place("vectors", Dtype::F32, size)?;
    if vectors != rows || u32::try_from(rows).is_err() {
        return Err(refuse(format!("has {rows} keys and {vectors} vectors")));
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

    fn written(dir: &Path, name: &str, texts: &[Text<'_>]) -> PathBuf {
        let mut embeddings = Embeddings::new(2);
        for (tokens, vector) in texts {
            assert_eq!(embeddings.get(tokens), None);
            embeddings.insert(tokens, vector);
        }
        let path = dir.join(name);
        embeddings.write_fresh(&path).unwrap();
        path
    }

    fn reading(files: &[&Path]) -> Embeddings {
        let mut embeddings = Embeddings::new(2);
        files.iter().for_each(|file| embeddings.add_file(file));
        embeddings
    }

    #[test]
    fn what_is_written_is_found_by_its_word_pieces_once_one_of_it_was_found_right() {
        let dir = tempfile::tempdir().unwrap();
        let first = written(dir.path(), "1", &[(&[1, 2, 3], [0.5, -0.0]), (&[1, 2], [1.0, 2.0])]);
        let second = written(dir.path(), "2", &[(&[7], [3.0, f32::MIN_POSITIVE])]);
        let mut embeddings = reading(&[&first, &second]);
        assert_eq!(embeddings.get(&[1, 2]), None, "nothing of the file was computed again yet");
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
    fn a_file_whose_vectors_are_not_those_that_are_computed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = written(dir.path(), "of other weights", &[(&[1], [0.5, 0.25]), (&[2], [1.0, 2.0])]);
        let mut embeddings = reading(&[&file]);
        embeddings.insert(&[1], &[0.5, 0.250_000_03]);
        assert!(embeddings.refused()[0].to_string().contains("of other weights"));
        assert_eq!((embeddings.get(&[2]), embeddings.get(&[1]).unwrap()), (None, vec![0.5, 0.250_000_03]));
        assert_eq!((embeddings.computed(), embeddings.used_files().count()), (1, 0));
    }

    #[test]
    fn a_file_that_cannot_be_read_any_more_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = written(dir.path(), "1", &[(&[1], [0.5, 0.25]), (&[2], [1.0, 2.0])]);
        let mut embeddings = reading(&[&file]);
        embeddings.insert(&[1], &[0.5, 0.25]);
        File::options().write(true).open(&file).unwrap().set_len(8).unwrap();
        assert_eq!(embeddings.get(&[2]), None);
        assert_eq!((embeddings.refused().len(), embeddings.get(&[1])), (1, None));
    }

    #[test]
    fn the_order_in_which_vectors_came_does_not_change_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b): (Text<'_>, Text<'_>) = ((&[1], [1.0, 1.0]), (&[2], [2.0, 2.0]));
        let [one, other] = [[a, b], [b, a]].map(|texts| fs::read(written(dir.path(), "1", &texts)).unwrap());
        assert_eq!(one, other);
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let good = fs::read(written(dir.path(), "good", &[(&[1], [1.0, 2.0])])).unwrap();
        let bad = dir.path().join("bad");
        let mut huge = good.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        for bytes in [&good[..4], &good[..20], &good[..good.len() - 1], &huge, b"{}", &[]] {
            fs::write(&bad, bytes).unwrap();
            assert!(reading(&[&bad]).refused()[0].to_string().contains("bad"));
        }
        fs::write(&bad, &good).unwrap();
        let mut wider = Embeddings::new(3);
        wider.add_file(&bad);
        assert!(wider.refused()[0].to_string().contains("3 columns"));
    }
}
