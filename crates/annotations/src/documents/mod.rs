//! Documents as readers see them: latest text, split, and the current state of their fields.

mod annotation;
mod archive;
mod document;
mod metadata;
mod read;

pub use annotation::{Annotation, list_annotations};
pub use archive::{Archival, MAX_ARCHIVED, Project, archive, list_projects, list_to_archive, project_exists};
pub use document::{Document, DocumentCursor, DocumentFilter, DocumentText};
pub use metadata::Metadata;
pub use read::{get, list, unknown_ids};
