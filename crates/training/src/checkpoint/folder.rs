//! The checkpoint folder: files appear complete and atomically, and only the latest are kept.

use std::{
    collections::VecDeque,
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::{
    checkpoint::{file::Checkpoint, identity::Identity},
    error::TrainingError,
};

/// Number of files to keep. The second one is a fallback in case the latest gets lost.
const MAX_FILES: usize = 2;

/// Subfolder for files that are not yet complete.
const INCOMPLETE_FOLDER: &str = "unfinished";

pub(crate) struct CheckpointFolder {
    path: PathBuf,
    /// Files of this training in the folder, oldest first.
    files: VecDeque<PathBuf>,
}

impl CheckpointFolder {
    /// Creates the folder if it is missing, and removes incomplete files of a process that died.
    pub(crate) fn open(path: &Path) -> Result<Self, TrainingError> {
        let incomplete = path.join(INCOMPLETE_FOLDER);
        if incomplete.exists() {
            fs::remove_dir_all(&incomplete).map_err(TrainingError::io(&incomplete))?;
        }
        fs::create_dir_all(&incomplete).map_err(TrainingError::io(&incomplete))?;
        Ok(Self { path: path.to_owned(), files: VecDeque::new() })
    }

    /// Takes ownership of an existing file if it is in the folder, so that it is deleted in its turn.
    pub(crate) fn adopt(&mut self, file: &Path) {
        if file.parent() == Some(&self.path) {
            self.files.push_back(file.to_owned());
        }
    }

    /// Writes a checkpoint, then deletes the files beyond the limit. Returns the file and its size in bytes.
    pub(crate) fn write(&mut self, checkpoint: &Checkpoint, identity: &Identity) -> Result<(PathBuf, u64), TrainingError> {
        let name = format!("checkpoint-{:08}.safetensors", checkpoint.step);
        let incomplete = self.path.join(INCOMPLETE_FOLDER).join(&name);
        let bytes = checkpoint.write(&incomplete, identity)?;
        let file = self.path.join(name);
        fs::rename(&incomplete, &file).map_err(TrainingError::io(&file))?;
        // a renamed file is durable only after its directory is synced
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(TrainingError::io(&self.path))?;

        self.files.retain(|kept| *kept != file);
        self.files.push_back(file.clone());
        while self.files.len() > MAX_FILES {
            let oldest = self.files.pop_front().expect("there are more files than the limit");
            match fs::remove_file(&oldest) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(TrainingError::io(oldest)(error)),
                _ => {}
            }
        }
        Ok((file, bytes))
    }
}
