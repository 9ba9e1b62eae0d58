//! Writes the files of a snapshot, on a thread of its own.

mod batch;
mod hashed_file;
mod jsonl;
mod parquet;
mod split_files;
mod thread;

pub(crate) use batch::STRING_COLUMNS;
pub(crate) use hashed_file::HashedFile;
pub(crate) use parquet::{compressed, file_name as parquet_file_name};
pub(crate) use split_files::SplitSize;
pub(crate) use thread::{Written, pass, write};
