//! A bucket of the test's own, and files to put into it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use artifacts::{Object, ObjectRange, Store, StoreConfig};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use test_support::TestBucket;
use tokio::io::AsyncReadExt as _;

/// Size of a part of an upload.
pub(crate) const PART: usize = 16 * 1024 * 1024;

/// A bucket, the store on it and a folder.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) bucket: TestBucket,
    folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let bucket = TestBucket::create().await;
        Self { store: store(bucket.name(), "").await, bucket, folder: tempfile::tempdir().unwrap() }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file with these bytes.
    pub(crate) fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.path("source");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Puts bytes into the bucket behind the store's back.
    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) {
        let client = self.bucket.client();
        client.put_object().bucket(self.bucket.name()).key(key).body(bytes.to_vec().into()).send().await.unwrap();
    }

    /// The bytes of an object or of a range of it.
    pub(crate) async fn read(&self, key: &str, range: Option<ObjectRange>) -> Vec<u8> {
        let Object { mut reader, bytes } = self.store.get(key, range).await.unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len() as u64, bytes, "as many bytes as were promised");
        read
    }
}

/// A store with the credentials of the environment.
pub(crate) async fn store(bucket: &str, key_prefix: &str) -> Store {
    Store::connect(&StoreConfig { bucket: bucket.to_owned(), key_prefix: key_prefix.to_owned(), timeout: Duration::from_secs(30) }).await
}

/// So many bytes, no two blocks of which are alike.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..count.div_ceil(8) as u64).flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
    bytes.truncate(count);
    bytes
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
