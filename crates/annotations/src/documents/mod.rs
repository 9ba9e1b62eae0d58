//! Documents as readers see them: latest text, split, and the current state of their fields.

mod annotation;
mod archive;
mod candidates;
mod document;
mod filter;
mod list;
mod metadata;
mod read;
mod search;
mod text_versions;

pub use annotation::{Annotation, list_annotations};
pub use archive::{Archival, MAX_ARCHIVED, Project, archive, list_projects, list_to_archive, project_exists};
pub use candidates::MAX_SCANNED_DOCUMENTS;
pub use document::{Document, DocumentPage, DocumentText};
pub use filter::DocumentFilter;
pub use list::list;
pub use metadata::Metadata;
pub use read::{document_name, document_names, get, unknown_ids};
pub use search::{FoundDocument, MAX_SEARCHED_BYTES, search_texts};
pub use text_versions::{StoredText, TextVersion, get_text, list_text_versions};
