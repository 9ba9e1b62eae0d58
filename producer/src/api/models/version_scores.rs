//! Fields of a version that predicts, and the scores that its thresholds were chosen from, as its files hold them.

use std::collections::BTreeMap;

use aprendiz_artifacts::Store;
use aprendiz_evaluation::ScoreCurve;
use aprendiz_inference::{CONFIG_FILE, FieldConfig, PublishedFields, SCORE_CURVES_FILE, ScoreCurves};
use aprendiz_runs::ModelVersion;
use bytes::Bytes;

use crate::api::http::error::ApiError;
use crate::api::http::stored_file::key_below;
use crate::api::http::stored_file::object::read_verified;
use crate::api::models::version::{ensure_predicts, model_files};

/// Size limit of each file: a hundred fields with thousands of labels need far less.
const MAX_BYTES: u64 = 64 << 20;

/// Fields and scores of a version.
pub(super) struct VersionScores {
    pub(super) config: PublishedFields,
    curves: BTreeMap<String, ScoreCurve>,
}

impl VersionScores {
    /// Reads the files of a version of any kind that predicts fields. They are checked against their hashes.
    pub(super) async fn load(store: &Store, version: &ModelVersion) -> Result<Self, ApiError> {
        ensure_predicts(version)?;
        let content = read_file(store, version, CONFIG_FILE).await?;
        let broken = |reason: String| ApiError::internal(anyhow::anyhow!("{CONFIG_FILE} of model version {}: {reason}", version.id));
        let content = content.ok_or_else(|| broken("missing".to_owned()))?;
        let config = PublishedFields::parse(&content).map_err(broken)?;
        Ok(Self { config, curves: load_curves(store, version).await? })
    }

    /// A field by its name.
    pub(super) fn field(&self, name: &str) -> Option<&FieldConfig> {
        self.config.field(name)
    }

    /// The scores of unseen examples of a field; `None` if the version was published without them.
    pub(super) fn score_curve(&self, field: &str) -> Option<&ScoreCurve> {
        self.curves.get(field)
    }
}

/// The scores of unseen examples of a version, by field; none if it was published without them.
pub(super) async fn load_curves(store: &Store, version: &ModelVersion) -> Result<BTreeMap<String, ScoreCurve>, ApiError> {
    let Some(content) = read_file(store, version, SCORE_CURVES_FILE).await? else { return Ok(BTreeMap::new()) };
    let broken = |reason: String| ApiError::internal(anyhow::anyhow!("{SCORE_CURVES_FILE} of model version {}: {reason}", version.id));
    Ok(ScoreCurves::parse(&content).map_err(broken)?.fields)
}

/// A file of a version; `None` if it has no such file.
async fn read_file(store: &Store, version: &ModelVersion, path: &str) -> Result<Option<Bytes>, ApiError> {
    let files = model_files(version)?;
    let Some(file) = files.iter().find(|file| file.path == path) else { return Ok(None) };
    let key = key_below(&version.object_prefix, path)?;
    read_verified(store, &key, &file.sha256, MAX_BYTES, &format!("{path} of model version {}", version.id)).await.map(Some)
}
