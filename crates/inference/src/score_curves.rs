//! `score_curves.json`: out-of-fold scores of every field as counts, from which thresholds for other targets are chosen without training.
//! It names no document and no label.

use std::{collections::BTreeMap, fs, path::Path};

use aprendiz_evaluation::ScoreCurve;
use serde::{Deserialize, Serialize};

use crate::{error::ModelError, files::replace_file};

/// Name of the file in a model directory. Models published by earlier versions do not have it.
pub const SCORE_CURVES_FILE: &str = "score_curves.json";

/// The only supported version.
const VERSION: u32 = 1;

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreCurves {
    /// Version of the format.
    v: u32,
    /// Curves by field name.
    pub fields: BTreeMap<String, ScoreCurve>,
}

impl ScoreCurves {
    /// The content for these curves.
    #[must_use]
    pub fn new(fields: BTreeMap<String, ScoreCurve>) -> Self {
        Self { v: VERSION, fields }
    }

    /// Parses the content of the file.
    ///
    /// # Errors
    /// It is malformed, of another version, or has inconsistent counts. The message is the reason.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let curves: Self = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        if curves.v != VERSION {
            return Err(format!("unsupported version {}, expected {VERSION}", curves.v));
        }
        match curves.fields.iter().find(|(_, curve)| !curve.is_consistent()) {
            Some((field, _)) => Err(format!("inconsistent counts of field `{field}`")),
            None => Ok(curves),
        }
    }

    /// Reads the file of a model directory; no curves if it is missing.
    ///
    /// # Errors
    /// The file cannot be read, is malformed, of another version, or has inconsistent counts.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join(SCORE_CURVES_FILE);
        let content = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::new(BTreeMap::new())),
            content => content.map_err(ModelError::io(&path))?,
        };
        Self::parse(&content).map_err(|reason| ModelError::invalid(path, reason))
    }

    /// Writes the file to a model directory, before its manifest is written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), ModelError> {
        let path = dir.join(SCORE_CURVES_FILE);
        let mut text =
            serde_json::to_string(self).map_err(|error| ModelError::invalid(&path, format!("cannot serialize to JSON: {error}")))?;
        text.push('\n');
        replace_file(&path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_survive_the_file_and_a_missing_file_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ScoreCurves::read(dir.path()).unwrap().fields.is_empty());
        let curve: ScoreCurve = serde_json::from_str(r#"{"n":3,"steps":[[0.9,1,1],[0.7,3,2]]}"#).unwrap();
        let curves = ScoreCurves::new([("law".to_owned(), curve)].into());
        curves.write(dir.path()).unwrap();
        assert_eq!(ScoreCurves::read(dir.path()).unwrap(), curves);
    }

    #[test]
    fn malformed_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for (text, reason) in [
            ("{", "score_curves.json"),
            (r#"{"v":2,"fields":{}}"#, "unsupported version 2"),
            (r#"{"v":1,"fields":{"law":{"n":1,"steps":[[0.9,2,1]]}}}"#, "inconsistent counts of field `law`"),
        ] {
            fs::write(dir.path().join(SCORE_CURVES_FILE), text).unwrap();
            let error = ScoreCurves::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
