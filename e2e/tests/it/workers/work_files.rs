//! The temporary files of workers: who may read them, and what other users may put in their place.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::fixture::exports::contracts;
use crate::fixture::{HeldTraining, TestApp, evaluation_spec};

/// Checks that only the user of the worker may read a folder and everything in it. Returns the number of files.
fn check_access(folder: &Path) -> usize {
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    let mut files = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += check_access(&path);
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            files += 1;
        }
    }
    files
}

#[tokio::test]
async fn other_users_cannot_read_the_files_of_a_run() {
    let app = TestApp::with_import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[]).await;
    let mut entries = app.env.folder().read_dir().unwrap().map(Result::unwrap);
    let folder = entries.find(|entry| entry.file_name().to_string_lossy().starts_with("aprendiz-run-")).unwrap();
    let files = check_access(&folder.path());
    assert!(files > 3, "{files} files");
    drop(hold);
    app.wait_for_success(id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_fifo_of_another_user_does_not_block_the_start_of_a_worker() {
    let app = TestApp::with_import(contracts()).await;
    let folder = app.env.folder().join("aprendiz-run-fifo");
    std::fs::create_dir(&folder).unwrap();
    mknodat(CWD, folder.join("lock"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let worker = app.env.worker("worker-1", &[]);
    app.wait_for_log(&worker, "not a regular file").await;
    let id = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(id).await;
    drop(worker);
    app.finish().await;
}
