//! Cache of the models used for predictions: downloaded once, verified against their manifest, the most recent ones kept in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aprendiz_artifacts::Store;
use aprendiz_db::{BlockingDrop, run_blocking};
use aprendiz_inference::Model;
use aprendiz_runs::ModelVersion;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::sync::{Mutex, OnceCell};
use tracing::{info, warn};

use crate::api::http::error::ApiError;
use crate::api::http::stored_file::{StoredFile, key_below};

type Cell = Arc<OnceCell<Arc<Model>>>;

/// Models by the SHA-256 of their manifest, which identifies their whole content.
pub(crate) struct ModelCache {
    store: Store,
    dir: PathBuf,
    capacity: usize,
    /// Least recently used first.
    slots: Mutex<Vec<(String, Cell)>>,
}

/// Files to download for a version.
pub(crate) struct ModelFiles {
    pub(crate) files: Vec<StoredFile>,
    pub(crate) manifest: Bytes,
}

impl ModelCache {
    pub(crate) fn new(store: Store, dir: PathBuf, capacity: usize) -> Self {
        Self { store, dir, capacity: capacity.max(1), slots: Mutex::new(Vec::new()) }
    }

    /// Returns the model of a version. Concurrent callers share one load. `files` is called only if the model must be downloaded.
    pub(crate) async fn get(
        &self,
        version: &ModelVersion,
        files: impl AsyncFnOnce() -> Result<ModelFiles, ApiError>,
    ) -> Result<Arc<Model>, ApiError> {
        let cell = self.slot(&version.manifest_sha256).await;
        cell.get_or_try_init(|| self.load(version, files)).await.cloned()
    }

    async fn slot(&self, hash: &str) -> Cell {
        let mut slots = self.slots.lock().await;
        let slot = match slots.iter().position(|(name, _)| name == hash) {
            Some(index) => slots.remove(index),
            None => (hash.to_owned(), Cell::default()),
        };
        let cell = Arc::clone(&slot.1);
        slots.push(slot);
        while slots.len() > self.capacity {
            let (evicted, _) = slots.remove(0);
            // a model in use stays in memory until its last user drops it, so its folder can be deleted
            let _ = fs::remove_dir_all(self.dir.join(evicted)).await;
        }
        cell
    }

    async fn load(
        &self,
        version: &ModelVersion,
        files: impl AsyncFnOnce() -> Result<ModelFiles, ApiError>,
    ) -> Result<Arc<Model>, ApiError> {
        let home = self.dir.join(&version.manifest_sha256);
        if fs::try_exists(&home).await.unwrap_or(false) {
            match open(&home, &version.manifest_sha256).await {
                Ok(model) => return Ok(model),
                Err(error) => {
                    warn!(dir = %home.display(), error = format!("{error:#}"), "cached model is damaged; downloading it again");
                    fs::remove_dir_all(&home).await.map_err(ApiError::internal)?;
                }
            }
        }
        let files = files().await?;
        fs::create_dir_all(&self.dir).await.map_err(ApiError::internal)?;
        let parent = self.dir.clone();
        let staged = run_blocking(move || tempfile::Builder::new().prefix("fetching-").tempdir_in(parent)).await;
        let staged = BlockingDrop::new(staged.map_err(ApiError::internal)?);
        for file in &files.files {
            let path = staged.path().join(&file.path);
            self.store.download(&key_below(&version.object_prefix, &file.path)?, &path, &file.sha256).await?;
        }
        fs::write(staged.path().join(aprendiz_inference::manifest::MANIFEST_FILE), &files.manifest).await.map_err(ApiError::internal)?;
        let model = open(staged.path(), &version.manifest_sha256).await.map_err(ApiError::internal)?;
        // if another process was first, its folder has the same content
        if fs::rename(staged.path(), &home).await.is_ok() {
            let _ = staged.into_inner().keep();
        }
        info!(model.name = version.model, model.number = version.number, "loaded model for predictions");
        Ok(model)
    }
}

/// Loads a model folder after checking the hash of its manifest.
async fn open(dir: &Path, manifest_sha256: &str) -> anyhow::Result<Arc<Model>> {
    let manifest = fs::read(dir.join(aprendiz_inference::manifest::MANIFEST_FILE)).await?;
    let found = hex::encode(Sha256::digest(&manifest));
    anyhow::ensure!(found == manifest_sha256, "manifest has sha256 {found}, expected {manifest_sha256}");
    let dir = dir.to_owned();
    Ok(Arc::new(tokio::task::spawn_blocking(move || Model::load(&dir)).await??))
}
