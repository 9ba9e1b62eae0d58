//! Uploads files to the object store; every object is declared in `objects` before its first byte.

use std::path::Path;

use aprendiz_artifacts::{ObjectPrefix, Uploaded};
use aprendiz_db::Database;
use aprendiz_runs::{AttemptId, RunsError};

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::retry::{in_transaction, retry_on_outage};

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
    retry_on_outage!(declare(&deps.database, attempt, &object_keys))?;
    for (path, object_key) in paths.iter().zip(&object_keys) {
        let path = folder.join(path);
        let upload = deps.store.begin_upload(object_key, &path).await?;
        if let Some(upload_id) = upload.id() {
            // if this process dies during the upload, the sweeper aborts it by this id
            let recorded = retry_on_outage!(
                in_transaction!(deps.database, tx => aprendiz_runs::record_upload_id(&mut tx, object_key, Some(upload_id)))
            );
            if let Err(error) = recorded {
                upload.abort().await;
                return Err(error.into());
            }
        }
        let Uploaded { sha256, bytes } = upload.finish().await?;
        metrics::counter!("aprendiz_worker_uploaded_bytes_total").increment(bytes);
        let bytes = i64::try_from(bytes).expect("files are smaller than 2^63 bytes");
        retry_on_outage!(in_transaction!(deps.database, tx => aprendiz_runs::confirm_object(&mut tx, object_key, &sha256, bytes)))?;
    }
    Ok(object_keys)
}

async fn declare(database: &Database, attempt: AttemptId, object_keys: &[String]) -> Result<(), RunsError> {
    let mut tx = database.begin().await?;
    aprendiz_runs::lock_attempt(&mut tx, attempt).await?;
    aprendiz_runs::declare_objects(&mut tx, attempt, object_keys).await?;
    Ok(tx.commit().await?)
}
