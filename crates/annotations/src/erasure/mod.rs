//! Legal erasure: deletes the content of a document permanently, and keeps the proof of what was erased.
//!
//! The crate `dataset` deletes the files of snapshots that contain the document. Models trained on them must be retired by hand.

mod read;
mod record;
mod recording;
mod redact;
mod types;

pub use read::{erased_documents, get_erasure, text_hashes};
pub use record::record_erasure;
pub use recording::{block_recording, erased_since};
pub use redact::redact_document;
pub use types::{ErasedText, Erasure, Redacted};
