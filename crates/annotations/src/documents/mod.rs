//! Documents as readers see them: latest text, split, and the current state of their fields.

mod annotation;
mod document;
mod metadata;
mod read;

pub use annotation::{Annotation, list_annotations};
pub use document::{Document, DocumentCursor, DocumentFilter, DocumentText};
pub use metadata::Metadata;
pub use read::{document_name, get, list, unknown_ids};
