//! Downloads a base model from a Hugging Face compatible hub into the folder of base models.
//!
//! The commit of `main` is resolved first and all files are downloaded from that commit, so that a concurrent push cannot mix two versions.
//! The hub's hashes and sizes are checked during the download, and readers check the model again.
//!
//! Our own client instead of `hf-hub`: that has a cache layout of its own and leaves the hashes and the size limit to the caller
//! (docs/decisions/0013).

use std::path::Path;
use std::time::Duration;

use aprendiz_encoder::{BaseModel, has_weights};

use crate::config::HubConfig;
use crate::file_access::{create_shared_folder, share};
use crate::interruption::Interruption;
use crate::pipeline::base_model::hub_client::{HubClient, cannot_store};
use crate::scratch::is_older_than;
use aprendiz_db::{BlockingDrop, run_blocking};

/// Size limit of a model. Supported encoders have some hundred megabytes.
const MAX_MODEL_BYTES: u64 = 4 << 30;
/// Name prefix of folders with incomplete downloads.
const DOWNLOAD_PREFIX: &str = ".fetching-";
/// An older incomplete download was left behind by a killed worker.
const STALE_DOWNLOAD_AGE: Duration = Duration::from_secs(24 * 3600);

/// A downloaded model.
pub(super) struct Downloaded {
    pub(super) commit: String,
    pub(super) bytes: u64,
}

/// Downloads the model `owner/name` to `folder/owner/name`, which appears only once it is complete and valid. Returns `None` if the model
/// exists already.
pub(super) async fn download(hub: &HubConfig, owner: &str, name: &str, folder: &Path) -> Result<Option<Downloaded>, Interruption> {
    let client = HubClient::new(hub, format!("{owner}/{name}"))?;
    let destination = folder.join(owner).join(name);
    match run_blocking({
        let (destination, owner) = (destination.clone(), folder.join(owner));
        move || occupant(&destination, &owner)
    })
    .await
    {
        Occupant::None => {}
        Occupant::Model => return Ok(None),
        Occupant::Other => return Err(client.unknown(&format!("`{}` is in the way and is not a model: remove it", destination.display()))),
    }
    let info = client.model_info().await?;
    let parent = folder.to_owned();
    let incoming = run_blocking(move || create_download_folder(&parent)).await.map_err(|error| cannot_store(folder, &error))?;
    let incoming = BlockingDrop::new(incoming);
    let mut bytes = 0;
    for file in &info.files {
        bytes += client.download(&info.commit, file, &incoming.path().join(&file.path), MAX_MODEL_BYTES - bytes).await?;
    }
    let dir = incoming.path().to_owned();
    let full_name = client.model().to_owned();
    run_blocking(move || BaseModel::check(&dir, &full_name)).await?;
    let target = destination.clone();
    let incoming = incoming.into_inner();
    run_blocking(move || install(incoming, &target)).await.map_err(|error| cannot_store(&destination, &error))?;
    Ok(Some(Downloaded { commit: info.commit, bytes }))
}

/// What stands where a model shall be installed.
enum Occupant {
    None,
    Model,
    Other,
}

/// A folder that is not a model is not replaced, and no model is nested in another one.
fn occupant(destination: &Path, owner: &Path) -> Occupant {
    if has_weights(destination) {
        Occupant::Model
    } else if destination.exists() || has_weights(owner) {
        Occupant::Other
    } else {
        Occupant::None
    }
}

/// Creates a folder for a download and removes stale ones.
fn create_download_folder(folder: &Path) -> std::io::Result<tempfile::TempDir> {
    create_shared_folder(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(DOWNLOAD_PREFIX) && is_older_than(&entry, STALE_DOWNLOAD_AGE) {
            // on failure, another worker has removed it or a later download will
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new().prefix(DOWNLOAD_PREFIX).tempdir_in(folder)
}

/// Moves a complete download to its destination. If another worker finished the same download first, its copy stays.
fn install(incoming: tempfile::TempDir, destination: &Path) -> std::io::Result<()> {
    if let Some(parent) = destination.parent() {
        create_shared_folder(parent)?;
    }
    // workers of other users may read it
    share(incoming.path())?;
    match std::fs::rename(incoming.path(), destination) {
        Err(_) if has_weights(destination) => Ok(()),
        Ok(()) => {
            // the folder has moved: there is nothing left to delete
            drop(incoming.keep());
            Ok(())
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use aprendiz_encoder::WEIGHTS_FILE;

    use super::*;

    #[test]
    fn a_model_appears_complete_and_the_first_of_two_downloads_stays() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("owner/name");
        for weights in ["first", "second"] {
            let incoming = create_download_folder(folder.path()).unwrap();
            std::fs::write(incoming.path().join(WEIGHTS_FILE), weights).unwrap();
            install(incoming, &destination).unwrap();
        }
        assert_eq!(std::fs::read_to_string(destination.join(WEIGHTS_FILE)).unwrap(), "first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no incomplete download is left");
    }
}
