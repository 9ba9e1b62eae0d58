//! The protocol between a worker and its training child: job files in, JSON lines and report files out.

pub(crate) mod embedding_files;
pub(crate) mod encoder_report;
pub(crate) mod evaluation_job;
pub(crate) mod job;
pub(crate) mod learning_curve;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod reporter;
pub(crate) mod summary;
