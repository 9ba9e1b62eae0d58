//! The requested and the resolved selection of a snapshot.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::selection::excluded_field::ExcludedField;
use crate::selection::pairs_request::PairsRequest;

/// The selection that a run requests, before it is resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectionRequest {
    /// Field names; empty selects every categorical field with a review event at or below `position`.
    pub fields: Vec<String>,
    /// Document ids; `None` selects all documents.
    pub documents: Option<Vec<Uuid>>,
    pub source: Option<String>,
    pub project: Option<String>,
    /// Labels with fewer examples are excluded from training.
    pub min_support: u32,
    /// Text pairs for training an encoder; `None` builds no pairs.
    pub pairs: Option<PairsRequest>,
    /// Only rows at or below this position are read.
    pub position: i64,
}

/// A resolved selection: explicit, sorted and without duplicates, so that equivalent selections compare equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Sorted by code point, at least one.
    pub fields: Vec<String>,
    /// Selected fields that their definition excludes from training (`kind`, `many_values`), sorted by field.
    ///
    /// Stored here and part of the key, because a definition may change later while positions do not.
    pub untrainable: Vec<ExcludedField>,
    /// Sorted; `None` selects all documents.
    pub documents: Option<Vec<Uuid>>,
    pub source: Option<String>,
    pub project: Option<String>,
    pub min_support: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsRequest>,
    pub position: i64,
}

impl Selection {
    /// Names of the fields that are exported but never trained.
    pub(crate) fn untrainable_names(&self) -> Vec<String> {
        self.untrainable.iter().map(|field| field.field.clone()).collect()
    }

    /// Whether the selection has no filter on documents.
    pub(crate) const fn includes_all_documents(&self) -> bool {
        self.documents.is_none() && self.source.is_none() && self.project.is_none()
    }

    /// Describes the selected documents for error messages and the dataset card.
    pub(crate) fn describe(&self) -> String {
        let mut description = match &self.documents {
            Some(documents) => format!("{} selected documents", documents.len()),
            None => "all documents".to_owned(),
        };
        if let Some(source) = &self.source {
            description.push_str(&format!(" of source `{source}`"));
        }
        if let Some(project) = &self.project {
            description.push_str(&format!(" of project `{project}`"));
        }
        description
    }
}
