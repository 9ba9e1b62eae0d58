//! The files of the web interface, embedded when the binary was built.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

/// What `./dev web` built; empty if it was not run before this binary was built.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Embedded;

/// The page of the application.
const INDEX: &str = "index.html";
/// End of the names of files that are compressed with Brotli.
const BROTLI: &str = ".br";

/// The files by name.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    files: BTreeMap<String, File>,
}

/// A file of the bundle.
#[derive(Debug)]
pub(super) struct File {
    pub(super) bytes: Bytes,
    /// The same, compressed.
    pub(super) brotli: Option<Bytes>,
    /// SHA-256 of the file, in hex.
    pub(super) sha256: String,
}

impl Bundle {
    /// The bundle of this binary.
    pub(super) fn embedded() -> &'static Self {
        static EMBEDDED: LazyLock<Bundle> = LazyLock::new(|| {
            let names = Embedded::iter();
            Bundle::from_files(names.filter_map(|name| Embedded::get(&name).map(|file| (name.into_owned(), file.data))))
        });
        &EMBEDDED
    }

    /// Files by their names; a name that ends with `.br` is the compressed form of another file.
    pub(super) fn from_files(files: impl Iterator<Item = (String, Cow<'static, [u8]>)>) -> Self {
        let bytes = |data| match data {
            Cow::Borrowed(data) => Bytes::from_static(data),
            Cow::Owned(data) => Bytes::from(data),
        };
        let (compressed, plain): (Vec<_>, Vec<_>) =
            files.map(|(name, data)| (name, bytes(data))).partition(|(name, _)| name.ends_with(BROTLI));
        let mut compressed: BTreeMap<String, Bytes> = compressed.into_iter().collect();
        let files = plain.into_iter().map(|(name, bytes)| {
            let brotli = compressed.remove(&format!("{name}{BROTLI}"));
            let file = File { sha256: hex::encode(Sha256::digest(&bytes)), bytes, brotli };
            (name, file)
        });
        Self { files: files.collect() }
    }

    /// A file other than the page, whose response is made by `response::page`.
    pub(super) fn file(&self, name: &str) -> Option<&File> {
        self.files.get(name).filter(|_| name != INDEX)
    }

    /// The page of the application; `None` if the interface is not part of this build.
    pub(super) fn page(&self) -> Option<&File> {
        self.files.get(INDEX)
    }
}
