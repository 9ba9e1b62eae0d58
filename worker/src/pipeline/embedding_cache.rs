//! Cache of base-model embeddings: object-store files shared by all runs, with an optional local copy.
//!
//! The cache never fails a run: embeddings that cannot be downloaded are computed, and those that cannot be stored cost a warning.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aprendiz_artifacts::ObjectPrefix;
use aprendiz_inference::manifest::hash_file;
use aprendiz_run_spec::Backend;
use aprendiz_runs::{AttemptId, DatasetId, EmbeddingFile, EmbeddingLimits, NewEmbeddingFile, list_embedding_files, record_embeddings};
use aprendiz_training::{EmbeddingFiles, EmbeddingUse};
use sha2::{Digest as _, Sha256};

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::objects::upload_files;
use crate::retry::{in_transaction, retry_on_outage};
use crate::scratch::{Scratch, is_older_than};
use aprendiz_db::run_blocking;

/// Files per base model. Each is an object to download; most come from a run with a few new documents.
const MAX_FILES: i64 = 64;
/// Suffix of complete files in the local folder, after their hash.
const FILE_SUFFIX: &str = ".safetensors";
/// An older incomplete download was left behind by a killed worker.
const STALE_DOWNLOAD_AGE: Duration = Duration::from_secs(3600);

/// The phase whose new vectors are stored. Each has a file of its own, because an attempt may compute new vectors in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewVectors {
    Training,
    Evaluation,
}

impl NewVectors {
    /// Name of the file.
    const fn file(self) -> &'static str {
        match self {
            Self::Training => "train.safetensors",
            Self::Evaluation => "vectors.safetensors",
        }
    }
}

/// The cached embeddings of one base model, on this host.
pub(crate) struct EmbeddingCache {
    /// Fingerprint of the base model and the CPU kernel.
    encoder: String,
    /// Path and object key of each file.
    files: Vec<(PathBuf, String)>,
    /// Folder where the child process writes new embeddings.
    folder: PathBuf,
    new: NewVectors,
}

impl EmbeddingCache {
    /// Downloads the cached embeddings of the base model with this hash that are not on this host yet. Returns `None` if the cache is
    /// disabled or unavailable.
    pub(crate) async fn download(
        deps: &Deps,
        attempt: AttemptId,
        base_model: &str,
        backend: Backend,
        scratch: &Scratch,
        new: NewVectors,
    ) -> Option<Self> {
        let folder = match &deps.config.embeddings.folder {
            Some(folder) => folder.join(installation_id(deps)),
            None => scratch.embeddings(),
        };
        if deps.config.embeddings.max_bytes == 0 {
            // files from before the cache was disabled may belong to documents that have been erased since
            let _ = tokio::fs::remove_dir_all(folder).await;
            return None;
        }
        // on other backends, the last bits of an embedding can depend on the batch
        if backend.name() != Backend::Flex.name() {
            return None;
        }
        match download_files(deps, attempt, base_model, &folder).await {
            Ok((encoder, files)) => Some(Self { encoder, files, folder: scratch.reports(), new }),
            Err(reason) => {
                tracing::warn!(reason, "embedding cache unavailable, computing all embeddings");
                None
            }
        }
    }

    /// The files for the child process.
    pub(crate) fn files(&self) -> EmbeddingFiles {
        EmbeddingFiles { known: self.files.iter().map(|(path, _)| path.clone()).collect(), fresh: self.folder.join(self.new.file()) }
    }

    /// Stores new embeddings for later runs and records which files were used.
    pub(crate) async fn store(
        &self,
        deps: &Deps,
        attempt: AttemptId,
        dataset: DatasetId,
        usage: &EmbeddingUse,
    ) -> Result<(), Interruption> {
        self.record(deps, attempt, Some(dataset), usage).await
    }

    /// Records which files were used. New embeddings are not stored: those of documents that no dataset has would outlive an erasure.
    pub(crate) async fn record_use(&self, deps: &Deps, attempt: AttemptId, usage: &EmbeddingUse) -> Result<(), Interruption> {
        self.record(deps, attempt, None, usage).await
    }

    async fn record(&self, deps: &Deps, attempt: AttemptId, dataset: Option<DatasetId>, usage: &EmbeddingUse) -> Result<(), Interruption> {
        metrics::counter!("aprendiz_worker_embeddings_total", "outcome" => "cached").increment(usage.found);
        metrics::counter!("aprendiz_worker_embeddings_total", "outcome" => "computed").increment(usage.computed);
        tracing::info!(embeddings.cached = usage.found, embeddings.computed = usage.computed, "base-model embeddings");
        match self.upload(deps, attempt, dataset, usage).await {
            Err(Interruption::Failed(failure)) if failure.code != "dataset_erased" => {
                tracing::warn!(error.text = failure.text, "cannot store base-model embeddings, the next run computes them again");
                Ok(())
            }
            result => result,
        }
    }

    async fn upload(&self, deps: &Deps, attempt: AttemptId, dataset: Option<DatasetId>, usage: &EmbeddingUse) -> Result<(), Interruption> {
        let used = self.files.iter().filter(|(path, _)| usage.used.contains(path)).map(|(_, object_key)| object_key.clone());
        let used: Vec<String> = used.collect();
        let prefix = ObjectPrefix::embeddings(&self.encoder, attempt.run_id.0, attempt.number);
        let dataset = dataset.filter(|_| usage.computed > 0);
        let object_keys =
            if dataset.is_some() { upload_files(deps, attempt, &prefix, &self.folder, &[self.new.file()]).await? } else { Vec::new() };
        let new = object_keys.first().zip(dataset);
        let new = new.map(|(object_key, dataset)| NewEmbeddingFile { object_key, encoder: &self.encoder, dataset });
        let limits = EmbeddingLimits { bytes: i64::try_from(deps.config.embeddings.max_bytes).unwrap_or(i64::MAX), files: MAX_FILES };
        Ok(retry_on_outage!(in_transaction!(deps.database, tx => record_embeddings(&mut tx, attempt, &used, new.as_ref(), limits)))?)
    }
}

/// Identifies database and bucket together: workers of several installations on one host share the folder, but no files.
fn installation_id(deps: &Deps) -> String {
    let store = &deps.config.store;
    hex::encode(Sha256::digest(format!("{} {} {}", deps.config.database.location(), store.bucket, store.key_prefix)))
}

/// Returns the fingerprint of the encoder, and path and object key of its files in the local folder.
async fn download_files(
    deps: &Deps,
    attempt: AttemptId,
    base_model: &str,
    folder: &Path,
) -> Result<(String, Vec<(PathBuf, String)>), String> {
    let encoder = aprendiz_encoder::embeddings_fingerprint(base_model, aprendiz_training::cpu_kernel());
    let listed = async { list_embedding_files(&mut *deps.database.read().await?).await };
    let listed = listed.await.map_err(|error| error.to_string())?;
    let failed = |error: io::Error| format!("folder {}: {error}", folder.display());
    let listed = run_blocking({
        let folder = folder.to_owned();
        move || prune(&folder, &listed).map(|()| listed)
    })
    .await
    .map_err(failed)?;
    let mut files = Vec::new();
    for file in listed.into_iter().filter(|file| file.encoder == encoder) {
        let path = folder.join(format!("{}{FILE_SUFFIX}", file.sha256));
        if !is_complete(path.clone(), file.sha256.clone()).await {
            // a name of this attempt, because others may be downloading the same file
            let incoming = folder.join(format!("{}.run-{}-{}", file.sha256, attempt.run_id, attempt.number));
            let downloaded = deps.store.download(&file.object_key, &incoming, &file.sha256).await.map_err(|error| error.to_string());
            let installed = match downloaded {
                Ok(_) => tokio::fs::rename(&incoming, &path).await.map_err(failed),
                Err(reason) => Err(reason),
            };
            if let Err(reason) = installed {
                for partial in [incoming.with_added_extension("part"), incoming] {
                    let _ = tokio::fs::remove_file(partial).await;
                }
                tracing::warn!(object.key = file.object_key, reason, "cannot download cached embeddings, computing them again");
                continue;
            }
        }
        files.push((path, file.object_key));
    }
    Ok((encoder, files))
}

/// Creates the folder, readable only by its owner, and removes files that are no longer listed: they were evicted, possibly because a
/// document in them was erased.
fn prune(folder: &Path, listed: &[EmbeddingFile]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let names: HashSet<String> = listed.iter().map(|file| format!("{}{FILE_SUFFIX}", file.sha256)).collect();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let remove = if name.ends_with(FILE_SUFFIX) {
            !names.contains(&name)
        } else {
            name.contains(".run-") && is_older_than(&entry, STALE_DOWNLOAD_AGE)
        };
        if remove {
            match fs::remove_file(entry.path()) {
                // another worker on this host has removed it first
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether the file exists and has the hash: a corrupted file would change metrics silently.
async fn is_complete(path: PathBuf, sha256: String) -> bool {
    run_blocking(move || hash_file(&path)).await.is_ok_and(|(_, hash)| hash == sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prune_removes_unlisted_files_and_keeps_downloads_in_progress() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let file = |sha256: &str| EmbeddingFile { encoder: String::new(), object_key: String::new(), sha256: sha256.to_owned() };
        prune(&folder, &[]).unwrap();
        for name in ["kept.safetensors", "gone.safetensors", "new.run-1-1", "new.run-1-1.part", "stale.run-1-1", "theirs"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let long_ago = std::time::SystemTime::now() - 2 * STALE_DOWNLOAD_AGE;
        for name in ["kept.safetensors", "stale.run-1-1", "theirs"] {
            fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        prune(&folder, &[file("kept"), file("elsewhere")]).unwrap();
        let mut left: Vec<String> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        left.sort();
        assert_eq!(left, ["kept.safetensors", "new.run-1-1", "new.run-1-1.part", "theirs"]);
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
