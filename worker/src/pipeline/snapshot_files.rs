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

/// The files among them that a trial of a sweep does not read.
const TEST_FILES: [&str; 2] = ["jsonl/test.jsonl", "pairs/test.jsonl"];

/// Which files of a snapshot a run reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// None: it only needs the snapshot to exist.
    Nothing,
    /// Those of train and validation.
    WithoutTest,
    /// That of the test examples: nothing is trained.
    TestOnly,
    /// Those of all splits.
    All,
}

impl Wanted {
    fn includes(self, path: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::WithoutTest => REQUIRED_FILES.contains(&path) && !TEST_FILES.contains(&path),
            Self::TestOnly => path == TEST_FILES[0],
            Self::All => REQUIRED_FILES.contains(&path),
        }
    }
}

/// A file of a snapshot that is not in the bucket.
pub(super) struct MissingFile {
    /// Prefix of the files of the snapshot when the file was looked for.
    pub(super) object_prefix: String,
    pub(super) object_key: String,
}

/// Downloads the files that a run reads. Returns a file of the snapshot that is missing, read or not.
pub(super) async fn fetch(deps: &Deps, dataset: &Dataset, folder: &Path, wanted: Wanted) -> Result<Option<MissingFile>, Interruption> {
    let prefix = ObjectPrefix::stored(&dataset.object_prefix);
    let missing = |object_key: String| Some(MissingFile { object_prefix: dataset.object_prefix.clone(), object_key });
    let object_keys: Result<Vec<String>, _> = dataset.files.iter().map(|file| prefix.file(&file.path)).collect();
    let object_keys = object_keys.map_err(Interruption::broken_state)?;
    let absent = deps.store.missing_objects(&format!("{prefix}/"), &object_keys).await?;
    if let Some(object_key) = absent.into_iter().next() {
        return Ok(missing(object_key));
    }
    for (file, object_key) in dataset.files.iter().zip(&object_keys).filter(|(file, _)| wanted.includes(&file.path)) {
        match deps.store.download(object_key, &folder.join(&file.path), &file.sha256).await {
            Ok(_) => {}
            // it disappeared since it was listed, for example because another run has replaced the files
            Err(StoreError::MissingObject(_)) => return Ok(missing(object_key.clone())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_downloads_no_test_example() {
        let wanted = |wanted: Wanted| REQUIRED_FILES.iter().filter(|path| wanted.includes(path)).count();
        assert_eq!((wanted(Wanted::All), wanted(Wanted::WithoutTest), wanted(Wanted::Nothing)), (7, 5, 0));
        assert_eq!(wanted(Wanted::TestOnly), 1);
        assert!(!Wanted::WithoutTest.includes("jsonl/test.jsonl") && !Wanted::All.includes("examples.parquet"));
    }
}
