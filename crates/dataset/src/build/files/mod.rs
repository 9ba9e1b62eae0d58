//! Writes the data files of a snapshot.

mod columns;
mod entry;
mod hashed_file;
mod jsonl;
mod parquet;
mod split_files;

pub(crate) use columns::STRING_COLUMNS;
pub use entry::{FileEntry, Format};
pub(crate) use hashed_file::HashedFile;
pub(crate) use parquet::{compressed_properties, parquet_path};
pub(crate) use split_files::{SplitFiles, SplitSize};
