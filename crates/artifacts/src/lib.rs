//! Objects in S3: their keys, uploads with hashes, verified downloads.
//!
//! Not here: which object belongs to what (rows of `objects`, in `runs`) and what a manifest lists (`inference`, `dataset`).

mod error;
mod key;
mod store;
mod upload;

pub use error::StoreError;
pub use key::{KeyError, ObjectPrefix, check_relative_path};
pub use store::{Object, ObjectRange, Store, StoreConfig};
pub use upload::Uploaded;
