//! Query parameters that filter documents.

use aprendiz_annotation_types::{ReviewStatus, deserialize_time};
use aprendiz_annotations::Split;
use aprendiz_annotations::documents::DocumentFilter;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::api::http::error::ApiError;
use crate::api::http::pairs::parse_pairs;

/// Query of a list of documents.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only documents of this source, for example `label-studio`
    source: Option<String>,
    /// Only documents of this project
    project: Option<String>,
    /// Only the document with this id within its project
    task_id: Option<String>,
    /// Only documents in this split
    #[param(inline)]
    split: Option<Split>,
    /// Whether a field is reviewed, or the one in `field`
    reviewed: Option<bool>,
    /// Only documents with a prediction or a review of this field; with `reviewed`, only the field that is meant there
    field: Option<String>,
    /// Only documents in which a field, or the one in `field`, has this accepted value; empty = no value
    value: Option<String>,
    /// Only documents in which a field, or the one in `field`, has this review status
    #[param(inline)]
    status: Option<ReviewStatus>,
    /// Only documents with this metadata: `KEY=VALUE`, or a JSON object of several keys; numbers are compared as text
    metadata: Option<String>,
    /// Only documents imported or changed at or after this time
    #[serde(default, deserialize_with = "deserialize_time")]
    since: Option<DateTime<Utc>>,
    /// `next_cursor` of the previous page
    pub(super) cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<i64>,
}

impl ListQuery {
    pub(super) fn filter(&self) -> Result<DocumentFilter, ApiError> {
        let metadata = self.metadata.as_deref().map(|text| parse_pairs("metadata", text)).transpose()?.unwrap_or_default();
        Ok(DocumentFilter {
            source: self.source.clone(),
            project: self.project.clone(),
            task_id: self.task_id.clone(),
            words: None,
            split: self.split,
            reviewed: self.reviewed,
            field: self.field.clone(),
            value: self.value.clone(),
            status: self.status,
            metadata: metadata.into_iter().collect(),
            since: self.since,
        })
    }
}
