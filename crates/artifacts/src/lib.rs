//! Object storage on S3: object keys, uploads with hashes, verified downloads, listing and deletion.
//!
//! The ownership of objects (table `objects`) is in `runs`; the contents of manifests are in `inference` and `dataset`.

mod client;
mod delete;
mod error;
mod key;
mod multipart;
mod permission;
mod probe;
mod refusal;
mod settings;
mod store;
mod upload;

pub use delete::{ListedObject, Listing};
pub use error::StoreError;
pub use key::{KEY_PREFIXES, KeyError, KeyOwner, ObjectKey, ObjectPrefix, check_relative_path, parse_owner};
pub use multipart::IncompleteUpload;
pub use settings::{Addressing, ChecksumUse, StoreConfig};
pub use store::{Object, ObjectRange, Store};
pub use upload::{Upload, Uploaded};
