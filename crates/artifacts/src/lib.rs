//! Objects in S3: their keys, uploads with hashes, verified downloads, deletions.
//!
//! Not here: which object belongs to what (rows of `objects`, in `runs`) and what a manifest lists (`inference`, `dataset`).

mod delete;
mod error;
mod key;
mod multipart;
mod store;
mod upload;

pub use delete::{ListedObject, Listing};
pub use error::StoreError;
pub use key::{KEY_PREFIXES, KeyError, ObjectPrefix, check_relative_path, writer_of};
pub use multipart::UnfinishedUpload;
pub use store::{Object, ObjectRange, Store, StoreConfig};
pub use upload::{Upload, Uploaded};
