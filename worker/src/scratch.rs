//! Scratch folders: the temporary files of one attempt, locked while in use and removed with it.

use std::fs::{self, DirEntry, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aprendiz_db::BlockingDrop;
use aprendiz_runs::AttemptId;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::interruption::Interruption;

const PREFIX: &str = "aprendiz-run-";
const LOCK_FILE: &str = "lock";
/// Name of the lock file until it is locked.
const NEW_LOCK_FILE: &str = "lock.new";
/// An older folder without a lock file was left behind by a worker that was killed while it created or removed the folder.
const UNLOCKED_FOLDER_AGE: Duration = Duration::from_secs(3600);

/// The folder of one attempt. The operating system releases its lock when the process dies.
pub(crate) struct Scratch {
    folder: BlockingDrop<LockedFolder>,
}

/// The lock is released after the folder is removed.
struct LockedFolder {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Creates and locks a folder below `parent`. Blocks.
    pub(crate) fn create(parent: &Path, attempt: AttemptId) -> Result<Self, Interruption> {
        let prefix = format!("{PREFIX}{}-{}-", attempt.run_id, attempt.number);
        let create = || {
            // the parent existed when the worker started but may have been cleaned up since
            fs::create_dir_all(parent)?;
            let folder = tempfile::Builder::new().prefix(&prefix).permissions(Permissions::from_mode(0o700)).tempdir_in(parent)?;
            let new_lock = folder.path().join(NEW_LOCK_FILE);
            let lock = File::create(&new_lock)?;
            lock.lock()?;
            // locked before it has its name, so that no other worker can lock it first
            fs::rename(new_lock, folder.path().join(LOCK_FILE))?;
            Ok(Self { folder: BlockingDrop::new(LockedFolder { folder, _lock: lock }) })
        };
        create().map_err(|error: io::Error| Interruption::scratch(parent, &error))
    }

    fn path(&self) -> &Path {
        self.folder.folder.path()
    }

    /// The dataset snapshot.
    pub(crate) fn snapshot(&self) -> PathBuf {
        self.path().join("snapshot")
    }

    /// The model directory to publish.
    pub(crate) fn model(&self) -> PathBuf {
        self.path().join("model")
    }

    /// The weights of a final fit on all splits, until they replace those that are measured.
    pub(crate) fn whole_model(&self) -> PathBuf {
        self.path().join("whole_model")
    }

    /// A downloaded base model.
    pub(crate) fn base_model(&self) -> PathBuf {
        self.path().join("base-model")
    }

    /// Scores that training writes for the evaluation.
    pub(crate) fn reports(&self) -> PathBuf {
        self.path().join("reports")
    }

    /// Cached embeddings, used when no local cache folder is configured.
    pub(crate) fn embeddings(&self) -> PathBuf {
        self.path().join("embeddings")
    }

    /// Checkpoints written by the training process.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.path().join("checkpoints")
    }

    /// The checkpoint to resume from, downloaded from an earlier attempt.
    pub(crate) fn resume(&self) -> PathBuf {
        self.path().join("resume.safetensors")
    }

    /// The job file of the training process, and later of the evaluation process.
    pub(crate) fn job(&self) -> PathBuf {
        self.path().join("job.json")
    }
}

/// Writes a file of the attempt.
pub(crate) async fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Interruption> {
    tokio::fs::write(path, bytes).await.map_err(|error| Interruption::scratch(path, &error))
}

/// Checks that data can be written to the folder: a full disk may still accept an empty file.
pub(crate) fn probe(parent: &Path) -> io::Result<()> {
    let folder = tempfile::Builder::new().prefix("aprendiz-probe-").tempdir_in(parent)?;
    fs::write(folder.path().join("probe"), [0; 4096])
}

/// Whether a file or folder has not been written to for longer than `age`, so that its writer can be presumed dead.
pub(crate) fn is_older_than(entry: &DirEntry, age: Duration) -> bool {
    entry.metadata().and_then(|data| data.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed > age))
}

/// Removes the scratch folders of killed workers, which contain document texts. Returns how many were removed.
///
/// Folders in use are locked and stay, including those of other workers on this host. So do folders of other users.
pub(crate) fn sweep(parent: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) || !is_own_folder(&entry) {
            continue;
        }
        let swept = match open_lock(&entry.path()) {
            // held until the folder is removed, so that only one of two workers starting at once removes it
            Ok(lock) if lock.try_lock().is_ok() => remove_folder(&entry.path()),
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_older_than(&entry, UNLOCKED_FOLDER_AGE) => {
                remove_folder(&entry.path())
            }
            // it is being created or removed right now
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Err(error),
        };
        match swept {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(%error, folder = %entry.path().display(), "cannot remove the scratch folder of a killed worker"),
        }
    }
    Ok(removed)
}

/// Whether the entry is a folder, and not a link, that this user may remove.
fn is_own_folder(entry: &DirEntry) -> bool {
    let user = geteuid();
    entry.metadata().is_ok_and(|metadata| metadata.is_dir() && (user.is_root() || metadata.uid() == user.as_raw()))
}

/// Opens the lock file of a folder. Any user may have put something else in its place: opening a FIFO would block for ever.
fn open_lock(folder: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let lock = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(folder.join(LOCK_FILE))?;
    if lock.metadata()?.is_file() { Ok(lock) } else { Err(io::Error::other("`lock` is not a regular file: remove the folder")) }
}

/// Removes a folder, and its lock file last: if this process dies meanwhile, the next sweep finds the folder unlocked and continues.
fn remove_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != LOCK_FILE {
            fs::remove_file(entry.path())?;
        }
    }
    match fs::remove_file(folder.join(LOCK_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::remove_dir(folder),
    }
}

#[cfg(test)]
mod tests {
    use aprendiz_runs::RunId;

    use super::*;

    fn attempt() -> AttemptId {
        AttemptId { run_id: RunId::new_v7(), number: 1 }
    }

    /// A folder of a killed worker with these files.
    fn left_behind(parent: &Path, name: &str, files: &[&str]) -> PathBuf {
        let folder = parent.join(format!("{PREFIX}{name}"));
        fs::create_dir(&folder).unwrap();
        for file in files {
            fs::write(folder.join(file), "").unwrap();
        }
        folder
    }

    fn set_old(folder: &Path) {
        File::open(folder).unwrap().set_modified(std::time::SystemTime::now() - 2 * UNLOCKED_FOLDER_AGE).unwrap();
    }

    #[test]
    fn sweep_removes_only_unlocked_scratch_folders() {
        let parent = tempfile::tempdir().unwrap();
        let locked = Scratch::create(parent.path(), attempt()).unwrap();
        let killed = left_behind(parent.path(), "killed", &[LOCK_FILE, "job.json"]);
        fs::create_dir_all(killed.join("snapshot/jsonl")).unwrap();
        let foreign = parent.path().join("something-else");
        fs::create_dir(&foreign).unwrap();

        assert_eq!(sweep(parent.path()).unwrap(), 1);
        assert!(!killed.exists() && foreign.exists() && locked.path().exists());
        drop(locked);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_without_a_lock_file_is_removed_when_it_is_old() {
        let parent = tempfile::tempdir().unwrap();
        let new = left_behind(parent.path(), "new", &["job.json"]);
        let old = left_behind(parent.path(), "old", &["job.json"]);
        set_old(&old);
        let target = left_behind(parent.path(), "target-of-a-link", &["job.json"]);
        let link = parent.path().join(format!("{PREFIX}link"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(sweep(parent.path()).unwrap(), 1);
        assert!(new.exists() && !old.exists() && target.join("job.json").exists() && link.exists());
    }

    #[test]
    fn a_special_file_in_place_of_the_lock_does_not_block_the_sweep() {
        let parent = tempfile::tempdir().unwrap();
        let folder = left_behind(parent.path(), "fifo", &[]);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, folder.join(LOCK_FILE), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        set_old(&folder);
        assert_eq!(sweep(parent.path()).unwrap(), 0);
        assert!(folder.exists());
    }

    #[test]
    fn only_the_user_may_read_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(parent.path(), attempt()).unwrap();
        assert_eq!(fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(scratch.path().join(LOCK_FILE).is_file() && !scratch.path().join(NEW_LOCK_FILE).exists());
    }
}
