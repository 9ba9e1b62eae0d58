//! A small file system that a test can fill to the last byte. Mounting needs root.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory; unmounted with the value.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    pub(crate) fn mount(mebibytes: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let size = format!("size={mebibytes}m,mode=0755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "aprendiz-test"]).arg(folder.path());
        assert!(mount.status().expect("mount is installed").success(), "this test needs the right to mount: run ./dev faults as root");
        Self { folder }
    }

    /// A folder of its own on it.
    pub(crate) fn folder(&self) -> tempfile::TempDir {
        tempfile::tempdir_in(self.folder.path()).expect("there is room for a folder")
    }

    /// Leaves not one byte free.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).expect("there is room for a name");
        let zeros = vec![0; 64 * 1024];
        while file.write_all(&zeros).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    }

    /// Makes the room free again.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // lazily: a killed process may still be on its way out
        Command::new("umount").arg("-l").arg(self.folder.path()).status().ok();
    }
}
