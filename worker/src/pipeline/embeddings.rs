//! Vectors that the base model has made in earlier runs: fetched before it is asked, and added to afterwards. What cannot be fetched is
//! computed, what cannot be kept costs a warning.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::artifacts::ObjectPrefix;
use inference::manifest::hash_file;
use runs::{AttemptKey, DatasetId, EmbeddingFile, EmbeddingLimits, NewEmbeddingFile, list_embedding_files, record_embeddings};
use sha2::{Digest as _, Sha256};
use training::{Backend, EmbeddingFiles, EmbeddingUse};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
use crate::pipeline::artifacts::upload_files;
use crate::pipeline::base_model::Base;
use crate::pipeline::scratch::{Scratch, is_older_than};

/// Files of one encoder: each is an object to fetch, most of them from a run that saw some new documents.
const MOST_FILES: i64 = 64;
/// Name of the file that an attempt adds.
const FRESH: &str = "vectors.safetensors";
/// What ends the names of whole files in the local folder; their hash stands before it.
const ENDING: &str = ".safetensors";
/// A file of another name is being fetched by someone, or was given up so long ago.
const GIVEN_UP: Duration = Duration::from_secs(3600);

/// The known vectors of one base model, on this host.
pub(crate) struct Known {
    encoder: String,
    /// Where each lies, and its key.
    files: Vec<(PathBuf, String)>,
    /// Where the new ones are left.
    fresh: PathBuf,
}

impl Known {
    /// Fetches what the base model is known to say, as far as it is not here already. `None` when this worker keeps nothing, or cannot.
    pub(crate) async fn fetch(context: &WorkerContext, key: AttemptKey, base: &Base, backend: Backend, scratch: &Scratch) -> Option<Self> {
        let folder = match &context.config.embeddings.folder {
            Some(folder) => folder.join(installation(context)),
            None => scratch.embeddings(),
        };
        if context.config.embeddings.bytes == 0 {
            // what was kept before may be of documents that were erased
            let _ = fs::remove_dir_all(folder);
            return None;
        }
        // elsewhere the texts beside a text can change the last bits of its vector
        if backend.name() != Backend::Flex.name() {
            return None;
        }
        match fetch(context, key, base, &folder).await {
            Ok((encoder, files)) => Some(Self { encoder, files, fresh: scratch.reports().join(FRESH) }),
            Err(reason) => {
                tracing::warn!(reason, "vectors of earlier runs cannot be had: they are computed again");
                None
            }
        }
    }

    /// What the process that evaluates is told.
    pub(crate) fn files(&self) -> EmbeddingFiles {
        EmbeddingFiles { known: self.files.iter().map(|(path, _)| path.clone()).collect(), fresh: self.fresh.clone() }
    }

    /// Keeps the new ones for the next run, and says which were of use.
    pub(crate) async fn keep(&self, context: &WorkerContext, key: AttemptKey, dataset: DatasetId, of: &EmbeddingUse) -> Result<(), Stop> {
        ::metrics::counter!("aprendiz_worker_embeddings_total", "outcome" => "known").increment(of.found);
        ::metrics::counter!("aprendiz_worker_embeddings_total", "outcome" => "computed").increment(of.computed);
        tracing::info!(embeddings.known = of.found, embeddings.computed = of.computed, "vectors of the base model");
        match self.record(context, key, dataset, of).await {
            Err(Stop::Failed(failure)) if failure.code != "dataset_erased" => {
                tracing::warn!(error.text = failure.text, "vectors of the base model could not be kept: the next run computes them again");
                Ok(())
            }
            done => done,
        }
    }

    async fn record(&self, context: &WorkerContext, key: AttemptKey, dataset: DatasetId, of: &EmbeddingUse) -> Result<(), Stop> {
        let used = self.files.iter().filter(|(path, _)| of.used.contains(path)).map(|(_, object_key)| object_key.clone());
        let used: Vec<String> = used.collect();
        let prefix = ObjectPrefix::embeddings(&self.encoder, key.run_id.0, key.number);
        let folder = self.fresh.parent().unwrap_or(Path::new(""));
        let object_keys = if of.computed > 0 { upload_files(context, key, &prefix, folder, &[FRESH]).await? } else { Vec::new() };
        let new = object_keys.first().map(|object_key| NewEmbeddingFile { object_key, encoder: &self.encoder, dataset });
        let limits = EmbeddingLimits { bytes: i64::try_from(context.config.embeddings.bytes).unwrap_or(i64::MAX), files: MOST_FILES };
        Ok(patiently!(async { record_embeddings(&mut *context.pool.acquire().await?, key, &used, new.as_ref(), limits).await })?)
    }
}

/// A name for the database and the bucket together: workers of several installations on one host share the folder, not the files.
fn installation(context: &WorkerContext) -> String {
    let store = &context.config.store;
    hex::encode(Sha256::digest(format!("{} {} {}", context.config.database.place(), store.bucket, store.key_prefix)))
}

/// The name of the encoder's vectors, and its files in the local folder with their keys.
async fn fetch(context: &WorkerContext, key: AttemptKey, base: &Base, folder: &Path) -> Result<(String, Vec<(PathBuf, String)>), String> {
    let encoder = encoder::embeddings_fingerprint(&base.found, training::cpu_kernel());
    let encoder = encoder.map_err(|error| error.to_string())?;
    let listed = async { list_embedding_files(&mut *context.pool.acquire().await?).await };
    let listed = listed.await.map_err(|error| error.to_string())?;
    let cannot = |error: io::Error| format!("folder {}: {error}", folder.display());
    tidy(folder, &listed).map_err(cannot)?;
    let mut files = Vec::new();
    for file in listed.into_iter().filter(|file| file.encoder == encoder) {
        let path = folder.join(format!("{}{ENDING}", file.sha256));
        if !is_whole(path.clone(), file.sha256.clone()).await {
            // under a name of this attempt: others may be fetching the same one
            let arriving = folder.join(format!("{}.run-{}-{}", file.sha256, key.run_id, key.number));
            let fetched = context.store.download(&file.object_key, &arriving, &file.sha256).await.map_err(|error| error.to_string());
            if let Err(reason) = fetched.and_then(|_| fs::rename(&arriving, &path).map_err(cannot)) {
                for left in [arriving.with_added_extension("part"), arriving] {
                    let _ = fs::remove_file(left);
                }
                tracing::warn!(object.key = file.object_key, reason, "vectors of an earlier run cannot be had: they are computed again");
                continue;
            }
        }
        files.push((path, file.object_key));
    }
    Ok((encoder, files))
}

/// Makes the folder, for nobody else to read, and removes what is not listed any more: it was given up, perhaps because a document in it
/// was erased.
fn tidy(folder: &Path, listed: &[EmbeddingFile]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let names: HashSet<String> = listed.iter().map(|file| format!("{}{ENDING}", file.sha256)).collect();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let goes = if name.ends_with(ENDING) { !names.contains(&name) } else { name.contains(".run-") && is_older_than(&entry, GIVEN_UP) };
        if goes {
            match fs::remove_file(entry.path()) {
                // another worker of this host was faster
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether the file is there and has the hash: a disk that gave back other bytes would change figures silently.
async fn is_whole(path: PathBuf, sha256: String) -> bool {
    let hash = tokio::task::spawn_blocking(move || hash_file(&path)).await;
    hash.is_ok_and(|hash| hash.is_ok_and(|(_, hash)| hash == sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_any_more_is_removed_and_what_is_being_fetched_stays() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let file = |sha256: &str| EmbeddingFile { encoder: String::new(), object_key: String::new(), sha256: sha256.to_owned() };
        tidy(&folder, &[]).unwrap();
        for name in ["kept.safetensors", "gone.safetensors", "new.run-1-1", "new.run-1-1.part", "stale.run-1-1", "theirs"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let long_ago = std::time::SystemTime::now() - 2 * GIVEN_UP;
        for name in ["kept.safetensors", "stale.run-1-1", "theirs"] {
            fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        tidy(&folder, &[file("kept"), file("elsewhere")]).unwrap();
        let mut left: Vec<String> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        left.sort();
        assert_eq!(left, ["kept.safetensors", "new.run-1-1", "new.run-1-1.part", "theirs"]);
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
