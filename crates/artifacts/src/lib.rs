//! Object storage on S3: object keys, uploads with hashes, verified downloads, listing and deletion.
//!
//! The ownership of objects (table `objects`) is in `runs`; the contents of manifests are in `inference` and `dataset`.

mod delete;
mod error;
mod key;
mod multipart;
mod store;
mod upload;

pub use delete::{ListedObject, Listing};
pub use error::StoreError;
pub use key::{ATTEMPT_PREFIXES, KeyError, ObjectPrefix, check_relative_path, import_key, parse_writer};
pub use multipart::IncompleteUpload;
pub use store::{Object, ObjectRange, Store, StoreConfig};
pub use upload::{Upload, Uploaded};
