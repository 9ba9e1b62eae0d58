//! The files of an existing snapshot: checks that the bucket has them, and downloads those that a run reads.

use std::path::Path;

use aprendiz_artifacts::{ObjectPrefix, StoreError};
use aprendiz_dataset::Dataset;

use crate::deps::Deps;
use crate::interruption::Interruption;

/// Snapshot files that training and evaluation read. The Parquet files are meant for people and other programs.
const REQUIRED_FILES: [&str; 7] = [
    "jsonl/train.jsonl",
    "jsonl/validation.jsonl",
    "jsonl/test.jsonl",
    "labels.json",
    "pairs/train.jsonl",
    "pairs/validation.jsonl",
    "pairs/test.jsonl",
];

/// A file of a snapshot that is not in the bucket.
pub(super) struct MissingFile {
    /// Prefix of the files of the snapshot when the file was looked for.
    pub(super) object_prefix: String,
    pub(super) object_key: String,
}

/// Downloads the files that a run reads, unless `only_check`. Returns a file of the snapshot that is missing, read or not.
pub(super) async fn fetch(deps: &Deps, dataset: &Dataset, folder: &Path, only_check: bool) -> Result<Option<MissingFile>, Interruption> {
    let prefix = ObjectPrefix::stored(&dataset.object_prefix);
    let missing = |object_key: String| Some(MissingFile { object_prefix: dataset.object_prefix.clone(), object_key });
    let object_keys: Result<Vec<String>, _> = dataset.files.iter().map(|file| prefix.file(&file.path)).collect();
    let object_keys = object_keys.map_err(Interruption::broken_state)?;
    let absent = deps.store.missing_objects(&format!("{prefix}/"), &object_keys).await?;
    if let Some(object_key) = absent.into_iter().next() {
        return Ok(missing(object_key));
    }
    if only_check {
        return Ok(None);
    }
    for (file, object_key) in dataset.files.iter().zip(&object_keys).filter(|(file, _)| REQUIRED_FILES.contains(&file.path.as_str())) {
        match deps.store.download(object_key, &folder.join(&file.path), &file.sha256).await {
            Ok(_) => {}
            // it disappeared since it was listed, for example because another run has replaced the files
            Err(StoreError::MissingObject(_)) => return Ok(missing(object_key.clone())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
