//! The folder that checkpoints are written to: only complete files have their name, and only the newest are kept.

use std::{
    collections::VecDeque,
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::{checkpoint::Checkpoint, error::TrainingError, identity::Identity};

/// Files that are kept: should the newest be lost, there is one more.
const KEPT: usize = 2;

/// Where files are written before they are complete, within the folder.
const UNFINISHED: &str = "unfinished";

pub(crate) struct CheckpointFolder {
    path: PathBuf,
    /// Files of this training in the folder, oldest first.
    kept: VecDeque<PathBuf>,
}

impl CheckpointFolder {
    /// Makes the folder if it is missing, and clears what a process that died was writing.
    pub(crate) fn open(path: &Path) -> Result<Self, TrainingError> {
        let unfinished = path.join(UNFINISHED);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(TrainingError::io(&unfinished))?;
        }
        fs::create_dir_all(&unfinished).map_err(TrainingError::io(&unfinished))?;
        Ok(Self { path: path.to_owned(), kept: VecDeque::new() })
    }

    /// Takes a file that was there before as its own, if it lies in the folder.
    pub(crate) fn adopt(&mut self, file: &Path) {
        if file.parent() == Some(&self.path) {
            self.kept.push_back(file.to_owned());
        }
    }

    /// Writes a checkpoint, then deletes those that are too old. Returns the file and its size in bytes.
    pub(crate) fn write(&mut self, checkpoint: &Checkpoint, identity: &Identity) -> Result<(PathBuf, u64), TrainingError> {
        let name = format!("checkpoint-{:08}.safetensors", checkpoint.step);
        let unfinished = self.path.join(UNFINISHED).join(&name);
        let bytes = checkpoint.write(&unfinished, identity)?;
        let file = self.path.join(name);
        fs::rename(&unfinished, &file).map_err(TrainingError::io(&file))?;
        // the name is on the disk only when the folder is
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(TrainingError::io(&self.path))?;

        self.kept.retain(|kept| *kept != file);
        self.kept.push_back(file.clone());
        while self.kept.len() > KEPT {
            let oldest = self.kept.pop_front().expect("there are more than are kept");
            match fs::remove_file(&oldest) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(TrainingError::io(oldest)(error)),
                _ => {}
            }
        }
        Ok((file, bytes))
    }
}
