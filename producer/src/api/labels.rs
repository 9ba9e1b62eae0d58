//! Bodies of requests that change tags and notes.

use std::collections::BTreeMap;

use aprendiz_runs::TagChange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change of tags.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagRequest {
    /// Tags to set. A key has 1 to 100 characters and no `=`, a value at most 500; there are at most 50 tags.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// Keys to remove; unknown ones are ignored.
    #[serde(default)]
    remove: Vec<String>,
}

impl From<TagRequest> for TagChange {
    fn from(request: TagRequest) -> Self {
        Self { set: request.set, remove: request.remove }
    }
}

/// All tags after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tags {
    /// Keys and values.
    pub(crate) tags: BTreeMap<String, String>,
}

/// A note.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteRequest {
    /// The text, at most 10,000 characters; an empty text removes the note.
    pub(crate) note: String,
}

/// The note after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Note {
    /// The text; null = no note.
    pub(crate) note: Option<String>,
}
