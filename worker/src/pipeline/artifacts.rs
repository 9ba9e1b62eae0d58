//! Phase `upload`: files first, the manifest last, a row in `objects` before each first byte.

use std::path::Path;

use ::artifacts::{ObjectPrefix, Uploaded};
use inference::manifest::{self, MANIFEST_FILE};
use runs::{AttemptKey, RunsError, TrainingRun};
use serde_json::Value;
use sqlx::Connection as _;

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
use crate::pipeline::scratch::Scratch;

/// A model directory that lies in S3 but is not published yet.
pub(crate) struct UploadedModel {
    pub(crate) prefix: ObjectPrefix,
    pub(crate) manifest_sha256: String,
    pub(crate) files: Value,
    pub(crate) object_keys: Vec<String>,
}

/// Writes the manifest and uploads the model directory.
pub(crate) async fn upload(context: &WorkerContext, key: AttemptKey, run: &TrainingRun, scratch: &Scratch) -> Result<UploadedModel, Stop> {
    let dir = scratch.model();
    let folder = dir.clone();
    let manifest = tokio::task::spawn_blocking(move || manifest::write(&folder))
        .await
        .map_err(|error| Stop::retryable("upload_failed", error.to_string()))??;
    let prefix = ObjectPrefix::model(&run.model, key.run_id.0, key.number);
    let mut paths: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    paths.push(MANIFEST_FILE);
    let object_keys = upload_files(context, key, &prefix, &dir, &paths).await?;
    let path = dir.join(MANIFEST_FILE);
    let text = tokio::fs::read(&path).await.map_err(|error| Stop::scratch(&path, &error))?;
    let files = serde_json::to_value(&manifest.files).map_err(|error| Stop::permanent("broken_state", error.to_string()))?;
    Ok(UploadedModel { prefix, manifest_sha256: sha256(&text), files, object_keys })
}

/// Uploads files in the given order and returns their object keys.
pub(crate) async fn upload_files(
    context: &WorkerContext,
    key: AttemptKey,
    prefix: &ObjectPrefix,
    dir: &Path,
    paths: &[&str],
) -> Result<Vec<String>, Stop> {
    let object_keys: Result<Vec<String>, _> = paths.iter().map(|path| prefix.file(path)).collect();
    let object_keys = object_keys.map_err(|error| Stop::permanent("broken_state", error.to_string()))?;
    patiently!(declare(context, key, &object_keys))?;
    for (path, object_key) in paths.iter().zip(&object_keys) {
        let path = dir.join(path);
        let upload = context.store.begin_upload(object_key, &path).await?;
        if let Some(upload_id) = upload.id() {
            // should this process die in the middle, the sweeper knows what to abort
            let noted = patiently!(async { runs::note_upload(&mut *context.pool.acquire().await?, object_key, Some(upload_id)).await });
            if let Err(error) = noted {
                upload.give_up().await;
                return Err(error.into());
            }
        }
        let Uploaded { sha256, bytes } = upload.finish().await?;
        ::metrics::counter!("aprendiz_worker_uploaded_bytes_total").increment(bytes);
        let bytes = i64::try_from(bytes).expect("files are smaller than 2^63 bytes");
        patiently!(async { runs::confirm_object(&mut *context.pool.acquire().await?, object_key, &sha256, bytes).await })?;
    }
    Ok(object_keys)
}

async fn declare(context: &WorkerContext, key: AttemptKey, object_keys: &[String]) -> Result<(), RunsError> {
    let mut conn = context.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    runs::hold_fence(&mut tx, key).await?;
    runs::declare_objects(&mut tx, key, object_keys).await?;
    Ok(tx.commit().await?)
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(bytes))
}
