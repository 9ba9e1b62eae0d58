//! A version of a model: its row, its kind and its files.

use std::sync::Arc;

use aprendiz_artifacts::Store;
use aprendiz_db::Scope;
use aprendiz_inference::Model;
use aprendiz_run_spec::RunKind;
use aprendiz_runs::{ModelVersion, find_version, is_model_in_scope};
use axum::http::StatusCode;
use bytes::Bytes;
use chrono::SecondsFormat;
use serde_json::Value;
use sqlx::PgConnection;

use crate::api::http::error::ApiError;
use crate::api::http::stored_file::object::read_verified;
use crate::api::http::stored_file::{StoredFile, key_below, parse_files};
use crate::api::models::model_cache::{ModelCache, ModelFiles};
use crate::api::state::AppState;

/// Name of the file that lists the other files.
pub(super) const MANIFEST: &str = aprendiz_inference::manifest::MANIFEST_FILE;
/// Size limit of a manifest; a larger object was not written by this software.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Whether the model card describes an encoder, which produces embeddings instead of predictions.
pub(in crate::api) fn is_encoder(card: &Value) -> bool {
    card["kind"] == RunKind::SentenceTransformer.as_str()
}

/// Whether predictions need an encoder, which this process cannot compute.
pub(super) fn needs_inference(card: &Value) -> bool {
    [RunKind::FieldClassifier, RunKind::Auto].iter().any(|kind| card["kind"] == kind.as_str())
}

/// Refuses a version that predicts no fields.
pub(super) fn ensure_predicts(version: &ModelVersion) -> Result<(), ApiError> {
    if !is_encoder(&version.card) {
        return Ok(());
    }
    let detail = format!(
        "model `{}` version {} is an encoder and makes no predictions: use `aprendiz embed` for embeddings",
        version.model, version.number
    );
    Err(ApiError::unprocessable("model_without_answers", detail))
}

/// Returns 404 for a model out of the scope, as for one that does not exist. Handlers call it before anything else about the model, which is
/// then in the scope with all its versions.
pub(in crate::api) async fn require_model(state: &AppState, scope: &Scope, name: &str) -> Result<(), ApiError> {
    if scope.is_all() || is_model_in_scope(&mut *state.database.read().await?, scope, name).await? {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_model", format!("model `{name}` has no published version")))
}

/// Loads a version, or the latest one without `number`. The error names the latest version, if the model has any.
pub(in crate::api) async fn find_model_version(conn: &mut PgConnection, name: &str, number: Option<i32>) -> Result<ModelVersion, ApiError> {
    if let Some(version) = find_version(conn, name, number).await? {
        return Ok(version);
    }
    let detail = match (number, find_version(conn, name, None).await?) {
        (Some(number), Some(latest)) => format!("model `{name}` has no version {number}: the latest is {}", latest.number),
        _ => format!("model `{name}` has no published version"),
    };
    Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_model", detail))
}

/// Refuses a version whose files were deleted; the error says when, by whom and why.
pub(in crate::api) fn ensure_files(version: &ModelVersion) -> Result<(), ApiError> {
    let ModelVersion { model, number, files_deleted_by, files_deleted_reason, .. } = version;
    let Some(at) = version.files_deleted_at else { return Ok(()) };
    let detail = format!(
        "the files of model `{model}` version {number} were deleted at {} by {}: {}; its metrics and history stay",
        at.to_rfc3339_opts(SecondsFormat::Secs, true),
        files_deleted_by.as_deref().unwrap_or("unknown"),
        files_deleted_reason.as_deref().unwrap_or("no reason is recorded"),
    );
    Err(ApiError::new(StatusCode::GONE, "files_deleted", detail))
}

/// Loads the model of a version that predicts in this process, through a cache.
pub(super) async fn load_version_model(models: &ModelCache, store: &Store, version: &ModelVersion) -> Result<Arc<Model>, ApiError> {
    // before the cache, which may still hold the model
    ensure_files(version)?;
    ensure_predicts(version)?;
    let files = async || {
        let (_, manifest) = read_manifest(store, version).await?;
        Ok(ModelFiles { files: model_files(version)?, manifest })
    };
    models.get(version, files).await
}

/// Files of a version, without the manifest.
pub(super) fn model_files(version: &ModelVersion) -> Result<Vec<StoredFile>, ApiError> {
    ensure_files(version)?;
    let files = parse_files(&version.files, &format!("model version {}", version.id))?;
    Ok(files.into_iter().filter(|file| file.path != MANIFEST).collect())
}

/// Reads the manifest of a version and checks it against the recorded hash.
pub(super) async fn read_manifest(store: &Store, version: &ModelVersion) -> Result<(StoredFile, Bytes), ApiError> {
    ensure_files(version)?;
    let key = key_below(&version.object_prefix, MANIFEST)?;
    let what = format!("manifest of model version {}", version.id);
    let bytes = read_verified(store, &key, &version.manifest_sha256, MAX_MANIFEST_BYTES, &what).await?;
    Ok((StoredFile { path: MANIFEST.to_owned(), bytes: bytes.len() as u64, sha256: version.manifest_sha256.clone() }, bytes))
}
