//! The Unix domain socket: only the user of this process can open it, so requests need no password.

use std::fs::{Permissions, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tokio::net::UnixListener;

/// Removes the file of the socket when it is dropped. Drop it before the listener: later it may be the file of another process.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listens on a path. A socket that a killed process has left behind is replaced; one in use, or another file, is not.
pub(super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile)> {
    remove_abandoned(path)?;
    let listener = UnixListener::bind(path).with_context(|| {
        format!("cannot listen on {}: its folder must exist and be writable, and the path must be shorter than 108 bytes", path.display())
    })?;
    let file = SocketFile(path.to_owned());
    set_permissions(path, Permissions::from_mode(0o600)).with_context(|| format!("cannot restrict the access to {}", path.display()))?;
    Ok((listener, file))
}

fn remove_abandoned(path: &Path) -> Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    if !metadata.file_type().is_socket() {
        bail!("{} exists and is not a socket: name another path", path.display());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))
        }
        Ok(_) => bail!("another process listens on {}: stop it, or name another path", path.display()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_abandoned_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let (listener, file) = listen(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(listen(&path).unwrap_err().to_string().contains("another process"));
        drop(listener);
        // as after kill -9: the file is still there
        std::mem::forget(file);
        let (listener, file) = listen(&path).unwrap();
        drop(file);
        assert!(!path.exists());
        drop(listener);
        std::fs::write(&path, "text").unwrap();
        assert!(listen(&path).unwrap_err().to_string().contains("not a socket"));
        assert!(listen(&dir.path().join("missing/socket")).unwrap_err().to_string().contains("folder must exist"));
    }
}
