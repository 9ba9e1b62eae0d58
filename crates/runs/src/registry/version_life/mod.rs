//! The life of a version after its publication: retirement, deletion of its files, verification.

pub(crate) mod delete_files;
pub(crate) mod retire;
pub(crate) mod verification;
pub(crate) mod verify;
