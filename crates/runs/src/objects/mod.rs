//! Objects in S3: a row before the first byte, `live` once published, `deleting` before the bytes go.

pub(crate) mod confirm;
pub(crate) mod declare;
pub(crate) mod references;
pub(crate) mod sweep;
