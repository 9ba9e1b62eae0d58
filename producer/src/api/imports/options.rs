//! Options of an import as query parameters.

use aprendiz_annotations::import::{StoredOptions, check_source_name};
use serde::Deserialize;

use crate::api::http::error::ApiError;

/// Maximum length of a name in bytes.
const MAX_NAME_LEN: usize = 200;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportQuery {
    /// Imports every task into this project, regardless of its own project
    pub(super) project: Option<String>,
    /// Name of the source of the documents; default `label-studio`. Two Label Studio servers number their projects and tasks alike: give each
    /// its own source
    pub(super) source: Option<String>,
    /// Replaces the texts of known tasks even if they have nothing in common with the stored ones; by default such tasks are quarantined
    #[serde(default)]
    pub(super) replace_texts: bool,
    /// Reports what would be imported, and writes nothing
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Key of `data` that holds the text; default `text`
    pub(super) text_key: Option<String>,
    /// File name, stored with the import
    pub(super) file_name: Option<String>,
    /// Mirrors deletions: retracts reviews whose annotation or task is not in the file any more
    #[serde(default)]
    pub(super) mirror: bool,
    /// Selects the annotations of a task: `ignore` (default) uses all of them, the latest taking precedence; `prefer` uses only
    /// ground-truth annotations if the task has any
    #[serde(default)]
    #[param(inline)]
    pub(super) ground_truth: GroundTruth,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum GroundTruth {
    #[default]
    Ignore,
    Prefer,
}

impl ImportQuery {
    /// Validates the names and returns the options.
    pub(super) fn into_options(self) -> Result<StoredOptions, ApiError> {
        Ok(StoredOptions {
            file_name: check_name("file_name", self.file_name)?,
            project: check_name("project", self.project)?,
            source: check_source(self.source)?,
            replace_texts: self.replace_texts,
            text_key: check_name("text_key", self.text_key)?,
            prefer_ground_truth: matches!(self.ground_truth, GroundTruth::Prefer),
            mirror: self.mirror,
        })
    }
}

fn check_source(source: Option<String>) -> Result<Option<String>, ApiError> {
    match source.as_deref().map(check_source_name) {
        Some(Err(reason)) => Err(ApiError::unprocessable("invalid_query", format!("source: {reason}"))),
        _ => Ok(source),
    }
}

pub(super) fn check_name(name: &str, value: Option<String>) -> Result<Option<String>, ApiError> {
    match value {
        Some(value) if value.is_empty() || value.len() > MAX_NAME_LEN || value.contains(char::is_control) => {
            Err(ApiError::unprocessable("invalid_query", format!("{name} must be 1 to {MAX_NAME_LEN} bytes without control characters")))
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_have_no_control_characters() {
        assert!(check_name("project", Some(String::new())).is_err());
        assert!(check_name("project", Some("a\nb".to_owned())).is_err());
        assert_eq!(check_name("project", Some("7".to_owned())).unwrap().as_deref(), Some("7"));
    }
}
