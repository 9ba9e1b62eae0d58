//! The work files of one attempt; removed with it, and swept at the next start when a killed worker left them behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runs::AttemptKey;
use tempfile::TempDir;

use crate::failure::Stop;

const PREFIX: &str = "aprendiz-run-";
const LOCK_FILE: &str = "lock";

/// A folder of its own for one attempt. It is locked while it is in use: the lock of a dead process is gone.
pub(crate) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    pub(crate) fn create(parent: &Path, key: AttemptKey) -> Result<Self, Stop> {
        let prefix = format!("{PREFIX}{}-{}-", key.run_id, key.number);
        let create = || {
            // it was there when the worker started, but somebody may have tidied up
            std::fs::create_dir_all(parent)?;
            let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?;
            let lock = File::create(folder.path().join(LOCK_FILE))?;
            lock.lock()?;
            Ok(Self { folder, _lock: lock })
        };
        create().map_err(|error: std::io::Error| Stop::scratch(parent, &error))
    }

    /// The dataset snapshot.
    pub(crate) fn snapshot(&self) -> PathBuf {
        self.folder.path().join("snapshot")
    }

    /// The model directory that will be published.
    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    /// Weights to start from, when they were fetched.
    pub(crate) fn base_model(&self) -> PathBuf {
        self.folder.path().join("base-model")
    }

    /// Scores that training leaves for the evaluation.
    pub(crate) fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    /// Vectors of earlier runs, where the operator has given them no folder to stay in.
    pub(crate) fn embeddings(&self) -> PathBuf {
        self.folder.path().join("embeddings")
    }

    /// Where the training child leaves its checkpoints.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    /// The checkpoint of an earlier attempt.
    pub(crate) fn resume(&self) -> PathBuf {
        self.folder.path().join("resume.safetensors")
    }

    /// The job file of the child that trains, then of the one that evaluates.
    pub(crate) fn job(&self) -> PathBuf {
        self.folder.path().join("job.json")
    }
}

/// Whether files can be written in the folder: a full disk may still take an empty one.
pub(crate) fn probe(parent: &Path) -> std::io::Result<()> {
    let folder = tempfile::Builder::new().prefix("aprendiz-probe-").tempdir_in(parent)?;
    std::fs::write(folder.path().join("probe"), [0; 4096])
}

/// Whether nobody has written to a file or folder for so long: whoever began it was killed.
pub(crate) fn is_older_than(entry: &std::fs::DirEntry, age: Duration) -> bool {
    entry.metadata().and_then(|data| data.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed > age))
}

/// Removes what killed workers left in the folder: they hold texts of documents. Folders in use, also of other workers of this
/// machine, are locked and stay. Returns how many were removed.
pub(crate) fn sweep(parent: &Path) -> std::io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // a folder without its lock file was created this very moment
        let Some(lock) = File::open(entry.path().join(LOCK_FILE)).ok().filter(|lock| ours && lock.try_lock().is_ok()) else { continue };
        match std::fs::remove_dir_all(entry.path()) {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(%error, folder = %entry.path().display(), "work files of a killed worker cannot be removed"),
        }
        // held until here, so that of two workers that start at once only one removes
        drop(lock);
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use runs::RunId;

    use super::*;

    #[test]
    fn the_sweep_takes_what_nobody_holds() {
        let parent = tempfile::tempdir().unwrap();
        let key = AttemptKey { run_id: RunId::fresh(), number: 1 };
        let held = Scratch::create(parent.path(), key).unwrap();
        let left_behind = parent.path().join(format!("{PREFIX}left-behind"));
        std::fs::create_dir(&left_behind).unwrap();
        std::fs::write(left_behind.join(LOCK_FILE), "").unwrap();
        let foreign = parent.path().join("something-else");
        std::fs::create_dir(&foreign).unwrap();

        assert_eq!(sweep(parent.path()).unwrap(), 1);
        assert!(!left_behind.exists() && foreign.exists() && held.folder.path().exists());
        drop(held);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
