//! Scratch folders: the temporary files of one attempt, locked while in use and removed with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aprendiz_runs::AttemptId;
use tempfile::TempDir;

use crate::interruption::Interruption;

const PREFIX: &str = "aprendiz-run-";
const LOCK_FILE: &str = "lock";

/// The folder of one attempt. The operating system releases its lock when the process dies.
pub(crate) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Creates and locks a folder below `parent`.
    pub(crate) fn create(parent: &Path, attempt: AttemptId) -> Result<Self, Interruption> {
        let prefix = format!("{PREFIX}{}-{}-", attempt.run_id, attempt.number);
        let create = || {
            // the parent existed when the worker started but may have been cleaned up since
            std::fs::create_dir_all(parent)?;
            let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?;
            let lock = File::create(folder.path().join(LOCK_FILE))?;
            lock.lock()?;
            Ok(Self { folder, _lock: lock })
        };
        create().map_err(|error: std::io::Error| Interruption::scratch(parent, &error))
    }

    /// The dataset snapshot.
    pub(crate) fn snapshot(&self) -> PathBuf {
        self.folder.path().join("snapshot")
    }

    /// The model directory to publish.
    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    /// A downloaded base model.
    pub(crate) fn base_model(&self) -> PathBuf {
        self.folder.path().join("base-model")
    }

    /// Scores that training writes for the evaluation.
    pub(crate) fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    /// Cached embeddings, used when no local cache folder is configured.
    pub(crate) fn embeddings(&self) -> PathBuf {
        self.folder.path().join("embeddings")
    }

    /// Checkpoints written by the training process.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    /// The checkpoint to resume from, downloaded from an earlier attempt.
    pub(crate) fn resume(&self) -> PathBuf {
        self.folder.path().join("resume.safetensors")
    }

    /// The job file of the training process, and later of the evaluation process.
    pub(crate) fn job(&self) -> PathBuf {
        self.folder.path().join("job.json")
    }
}

/// Writes a file of the attempt.
pub(crate) async fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Interruption> {
    tokio::fs::write(path, bytes).await.map_err(|error| Interruption::scratch(path, &error))
}

/// Checks that data can be written to the folder: a full disk may still accept an empty file.
pub(crate) fn probe(parent: &Path) -> std::io::Result<()> {
    let folder = tempfile::Builder::new().prefix("aprendiz-probe-").tempdir_in(parent)?;
    std::fs::write(folder.path().join("probe"), [0; 4096])
}

/// Whether a file or folder has not been written to for longer than `age`, so that its writer can be presumed dead.
pub(crate) fn is_older_than(entry: &std::fs::DirEntry, age: Duration) -> bool {
    entry.metadata().and_then(|data| data.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed > age))
}

/// Removes the scratch folders of killed workers, which contain document texts. Returns how many were removed.
///
/// Folders in use are locked and stay, including those of other workers on this host.
pub(crate) fn sweep(parent: &Path) -> std::io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let is_scratch = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // a folder without a lock file is being created right now
        let lock = File::open(entry.path().join(LOCK_FILE)).ok().filter(|lock| is_scratch && lock.try_lock().is_ok());
        let Some(lock) = lock else { continue };
        match std::fs::remove_dir_all(entry.path()) {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(%error, folder = %entry.path().display(), "cannot remove the scratch folder of a killed worker"),
        }
        // held until here, so that only one of two workers starting at once removes the folder
        drop(lock);
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use aprendiz_runs::RunId;

    use super::*;

    #[test]
    fn sweep_removes_only_unlocked_scratch_folders() {
        let parent = tempfile::tempdir().unwrap();
        let attempt = AttemptId { run_id: RunId::new_v7(), number: 1 };
        let locked = Scratch::create(parent.path(), attempt).unwrap();
        let left_behind = parent.path().join(format!("{PREFIX}left-behind"));
        std::fs::create_dir(&left_behind).unwrap();
        std::fs::write(left_behind.join(LOCK_FILE), "").unwrap();
        let foreign = parent.path().join("something-else");
        std::fs::create_dir(&foreign).unwrap();

        assert_eq!(sweep(parent.path()).unwrap(), 1);
        assert!(!left_behind.exists() && foreign.exists() && locked.folder.path().exists());
        drop(locked);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
