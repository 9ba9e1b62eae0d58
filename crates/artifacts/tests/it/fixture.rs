//! Test fixture: a temporary bucket and a temporary directory.

use std::path::{Path, PathBuf};

use aprendiz_artifacts::{Object, ObjectRange, Store, StoreConfig};
use aprendiz_test_support::TestBucket;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

/// Part size of multipart uploads.
pub(crate) const PART_BYTES: usize = 16 * 1024 * 1024;

/// A store on its own bucket, and a directory.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) bucket: TestBucket,
    directory: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let bucket = TestBucket::create().await;
        Self { store: store(bucket.name(), "").await, bucket, directory: tempfile::tempdir().unwrap() }
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Creates a file with this content.
    pub(crate) fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.path("source");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes an object directly to the bucket, bypassing the store.
    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) {
        let client = self.bucket.client();
        client.put_object().bucket(self.bucket.name()).key(key).body(bytes.to_vec().into()).send().await.unwrap();
    }

    /// Reads an object or a range of it.
    pub(crate) async fn read(&self, key: &str, range: Option<ObjectRange>) -> Vec<u8> {
        let Object { mut reader, bytes } = self.store.get(key, range).await.unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len() as u64, bytes, "the announced number of bytes");
        read
    }
}

/// A store with the credentials from the environment.
pub(crate) async fn store(bucket: &str, key_prefix: &str) -> Store {
    Store::connect(&StoreConfig { key_prefix: key_prefix.to_owned(), ..StoreConfig::new(bucket) }).await.unwrap()
}

/// Test data in which no two blocks are equal.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..count.div_ceil(8) as u64).flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
    bytes.truncate(count);
    bytes
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Sorted file names in a directory.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
