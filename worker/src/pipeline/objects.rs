//! Uploads files to the object store; every object is declared in `objects` before its first byte.

use std::path::Path;

use aprendiz_artifacts::{ObjectPrefix, Uploaded};
use aprendiz_runs::{AttemptId, RunsError};
use sqlx::{Connection as _, PgPool};

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::retry::retry_on_outage;

/// Uploads files of a folder in the given order and returns their object keys.
pub(crate) async fn upload_files(
    deps: &Deps,
    attempt: AttemptId,
    prefix: &ObjectPrefix,
    folder: &Path,
    paths: &[&str],
) -> Result<Vec<String>, Interruption> {
    let object_keys: Result<Vec<String>, _> = paths.iter().map(|path| prefix.file(path)).collect();
    let object_keys = object_keys.map_err(Interruption::broken_state)?;
    retry_on_outage!(declare(&deps.pool, attempt, &object_keys))?;
    for (path, object_key) in paths.iter().zip(&object_keys) {
        let path = folder.join(path);
        let upload = deps.store.begin_upload(object_key, &path).await?;
        if let Some(upload_id) = upload.id() {
            // if this process dies during the upload, the sweeper aborts it by this id
            let recorded = retry_on_outage!(async {
                aprendiz_runs::record_upload_id(&mut *deps.pool.acquire().await?, object_key, Some(upload_id)).await
            });
            if let Err(error) = recorded {
                upload.abort().await;
                return Err(error.into());
            }
        }
        let Uploaded { sha256, bytes } = upload.finish().await?;
        metrics::counter!("aprendiz_worker_uploaded_bytes_total").increment(bytes);
        let bytes = i64::try_from(bytes).expect("files are smaller than 2^63 bytes");
        retry_on_outage!(async { aprendiz_runs::confirm_object(&mut *deps.pool.acquire().await?, object_key, &sha256, bytes).await })?;
    }
    Ok(object_keys)
}

async fn declare(pool: &PgPool, attempt: AttemptId, object_keys: &[String]) -> Result<(), RunsError> {
    let mut conn = pool.acquire().await?;
    let mut tx = conn.begin().await?;
    aprendiz_runs::lock_attempt(&mut tx, attempt).await?;
    aprendiz_runs::declare_objects(&mut tx, attempt, object_keys).await?;
    Ok(tx.commit().await?)
}
