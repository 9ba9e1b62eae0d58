//! Who may read the files that this process creates: only its user, because most of them contain texts of documents.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::Mode;
use rustix::process::umask;

/// Access that the user of this process had forbidden to others before [`restrict`].
static ORIGINAL_UMASK: OnceLock<u32> = OnceLock::new();

/// Creates all files and folders of this process, and of the processes that it starts, without access for other users.
pub(crate) fn restrict() {
    let original = umask(Mode::from_raw_mode(0o077));
    // set once, at the start
    let _ = ORIGINAL_UMASK.set(original.as_raw_mode());
}

/// Gives a folder with all its content the access that it would have without [`restrict`].
pub(crate) fn share(folder: &Path) -> std::io::Result<()> {
    set_permissions(folder, shared(0o777))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            share(&entry.path())?;
        } else if kind.is_file() {
            set_permissions(entry.path(), shared(0o666))?;
        }
    }
    Ok(())
}

/// Creates a folder, and its parents, with the access that it would have without [`restrict`].
pub(crate) fn create_shared_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_shared_folder(parent)?;
    }
    match std::fs::create_dir(folder) {
        // another worker was faster
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Ok(()) => set_permissions(folder, shared(0o777)),
        error => error,
    }
}

fn shared(mode: u32) -> Permissions {
    Permissions::from_mode(mode & !ORIGINAL_UMASK.get().copied().unwrap_or(0o022))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_shared_folder_can_be_read_by_other_users() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("owner/name");
        create_shared_folder(&model).unwrap();
        std::fs::create_dir(model.join("1_Pooling")).unwrap();
        let weights = model.join("1_Pooling/config.json");
        std::fs::write(&weights, "{}").unwrap();
        for path in [&weights, &model] {
            set_permissions(path, Permissions::from_mode(0o700)).unwrap();
        }
        share(&model).unwrap();
        assert_eq!([mode(&folder.path().join("owner")), mode(&model), mode(&weights)], [0o755, 0o755, 0o644]);
    }
}
