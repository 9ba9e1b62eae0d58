//! Phase `upload`: uploads the model directory, the manifest last.

use aprendiz_artifacts::ObjectPrefix;
use aprendiz_inference::manifest::{self, MANIFEST_FILE, Provenance};
use aprendiz_runs::{AttemptId, TrainingRun};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::build_info::build;
use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::objects::upload_files;
use crate::scratch::Scratch;
use aprendiz_db::run_blocking;

/// A model directory in the object store that is not published yet.
pub(crate) struct UploadedModel {
    pub(crate) prefix: ObjectPrefix,
    pub(crate) manifest_sha256: String,
    pub(crate) files: Value,
    pub(crate) object_keys: Vec<String>,
}

/// Writes the manifest and uploads the model directory.
pub(crate) async fn upload(
    deps: &Deps,
    attempt: AttemptId,
    run: &TrainingRun,
    settings: &Value,
    scratch: &Scratch,
) -> Result<UploadedModel, Interruption> {
    let folder = scratch.model();
    let model_dir = folder.clone();
    let provenance = Provenance { build: build(), training: settings.clone() };
    let manifest = run_blocking(move || manifest::write_with_provenance(&model_dir, Some(provenance))).await?;
    let prefix = ObjectPrefix::model(&run.model, attempt.run_id.0, attempt.number);
    let mut paths: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    paths.push(MANIFEST_FILE);
    let object_keys = upload_files(deps, attempt, &prefix, &folder, &paths).await?;
    let path = folder.join(MANIFEST_FILE);
    let text = tokio::fs::read(&path).await.map_err(|error| Interruption::scratch(&path, &error))?;
    let files = serde_json::to_value(&manifest.files).map_err(Interruption::broken_state)?;
    Ok(UploadedModel { prefix, manifest_sha256: hex::encode(Sha256::digest(&text)), files, object_keys })
}
