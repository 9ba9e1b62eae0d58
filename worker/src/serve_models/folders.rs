//! Folders of downloaded models: verified by their manifest, the least recently used ones deleted beyond a limit.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aprendiz_artifacts::{ObjectPrefix, Store, StoreError, check_relative_path};
use aprendiz_classifier::FieldModel;
use aprendiz_db::{BlockingDrop, run_blocking};
use aprendiz_inference::manifest::{MANIFEST_FILE, Manifest, parse};
use aprendiz_inference::protocol::{Refusal, RefusalReason, ServedVersion};
use aprendiz_run_spec::Backend;
use rayon::ThreadPool;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tracing::warn;

use crate::serve_models::model::ServedModel;
use crate::serve_models::models::Source;

/// Size limit of a manifest; a larger object was not written by this software.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;
/// Prefix of the names of folders that are being downloaded.
const STAGED_PREFIX: &str = "fetching-";
/// Age of a folder of a download that a killed process has left behind.
const ABANDONED_AGE: Duration = Duration::from_secs(3_600);

/// The folders, and the object store that they are copies of. Several processes can share the folder.
pub(super) struct ModelFolders {
    store: Store,
    dir: PathBuf,
    max_bytes: u64,
    threads: Arc<ThreadPool>,
}

/// The folder of a version.
pub(super) struct ModelFolder {
    path: PathBuf,
    /// Whether the folder existed before.
    is_cached: bool,
}

impl ModelFolders {
    pub(super) fn new(store: Store, dir: PathBuf, max_bytes: u64, threads: ThreadPool) -> Self {
        Self { store, dir, max_bytes, threads: Arc::new(threads) }
    }

    async fn download(&self, version: &ServedVersion, home: &Path) -> Result<u64, Refusal> {
        let text = self.read_manifest(version).await?;
        let manifest = parse(&text).map_err(|reason| invalid(version, &format!("{MANIFEST_FILE}: {reason}")))?;
        let bytes = size(&manifest);
        if bytes > self.max_bytes {
            let detail = format!(
                "the files of model `{}` version {} have {} MiB, and downloaded models may use {} MiB of disk: raise \
                 APRENDIZ_INFERENCE_CACHE_MB of the inference process",
                version.model,
                version.number,
                bytes.div_ceil(1 << 20),
                self.max_bytes >> 20
            );
            return Err(Refusal::new(RefusalReason::ModelTooLarge, detail));
        }
        let parent = self.dir.clone();
        let room = self.max_bytes - bytes;
        let staged = run_blocking(move || {
            fs::create_dir_all(&parent)?;
            delete_abandoned(&parent);
            delete_oldest(&parent, room);
            tempfile::Builder::new().prefix(STAGED_PREFIX).tempdir_in(parent)
        });
        let staged = BlockingDrop::new(staged.await.map_err(|error| self.unusable(&error))?);
        for file in &manifest.files {
            let key = key(version, &file.path)?;
            let downloaded = self.store.download(&key, &staged.path().join(&file.path), &file.sha256).await;
            downloaded.map_err(|error| failed(version, &error))?;
        }
        tokio::fs::write(staged.path().join(MANIFEST_FILE), text).await.map_err(|error| self.unusable(&error))?;
        // if another process was first, its folder has the same content
        if tokio::fs::rename(staged.path(), home).await.is_ok() {
            let _ = staged.into_inner().keep();
        }
        Ok(bytes)
    }

    async fn read_manifest(&self, version: &ServedVersion) -> Result<String, Refusal> {
        let object = self.store.get(&key(version, MANIFEST_FILE)?, None).await.map_err(|error| failed(version, &error))?;
        let mut bytes = Vec::new();
        let reading = object.reader.take(MAX_MANIFEST_BYTES).read_to_end(&mut bytes).await;
        reading.map_err(|error| Refusal::new(RefusalReason::FilesUnavailable, format!("reading {MANIFEST_FILE}: {error}")))?;
        checked_manifest(version, bytes)
    }

    fn unusable(&self, error: &std::io::Error) -> Refusal {
        let detail = format!("the folder {} cannot be used: {error}; see APRENDIZ_INFERENCE_CACHE_DIR", self.dir.display());
        Refusal::new(RefusalReason::Failed, detail)
    }
}

impl Source for ModelFolders {
    type Model = ServedModel;
    type Files = ModelFolder;

    async fn fetch(&self, version: &ServedVersion) -> Result<(ModelFolder, u64), Refusal> {
        check(version)?;
        let home = self.dir.join(&version.manifest_sha256);
        let (path, owned) = (home.clone(), version.clone());
        if let Some(bytes) = run_blocking(move || cached_size(&path, &owned)).await {
            return Ok((ModelFolder { path: home, is_cached: true }, bytes));
        }
        let _ = tokio::fs::remove_dir_all(&home).await;
        let bytes = self.download(version, &home).await?;
        Ok((ModelFolder { path: home, is_cached: false }, bytes))
    }

    async fn open(&self, version: &ServedVersion, files: ModelFolder) -> Result<ServedModel, Refusal> {
        let serve = |model| ServedModel { model, threads: Arc::clone(&self.threads) };
        let error = match open(&files.path).await {
            Ok(classifier) => return Ok(serve(classifier)),
            // another process may have deleted it meanwhile
            Err(error) if !files.is_cached && files.path.exists() => error,
            Err(error) => {
                warn!(dir = %files.path.display(), error, "downloaded model is damaged; downloading it again");
                let _ = tokio::fs::remove_dir_all(&files.path).await;
                self.download(version, &files.path).await?;
                match open(&files.path).await {
                    Ok(classifier) => return Ok(serve(classifier)),
                    Err(error) => error,
                }
            }
        };
        let _ = tokio::fs::remove_dir_all(&files.path).await;
        Err(invalid(version, &error))
    }
}

/// Loads a folder after verifying every file.
async fn open(path: &Path) -> Result<FieldModel, String> {
    let path = path.to_owned();
    // the back end of evaluations, so that the numbers are the same
    let load = move || {
        let device = aprendiz_training::device(Backend::Auto).map_err(|error| error.to_string())?;
        FieldModel::load(&path, &device).map_err(|error| error.to_string())
    };
    tokio::task::spawn_blocking(load).await.map_err(|error| error.to_string())?
}

/// Refuses a version whose names would leave the folder or the models of the bucket.
fn check(version: &ServedVersion) -> Result<(), Refusal> {
    let is_hash =
        version.manifest_sha256.len() == 64 && version.manifest_sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_model = version.object_prefix.starts_with("models/") && check_relative_path(&version.object_prefix).is_ok();
    match (is_hash, is_model) {
        (true, true) => Ok(()),
        (false, _) => Err(Refusal::new(RefusalReason::InvalidRequest, "manifest_sha256 is not a SHA-256 in lower-case hexadecimal")),
        (true, false) => Err(Refusal::new(RefusalReason::InvalidRequest, "object_prefix is not the prefix of a model version")),
    }
}

fn key(version: &ServedVersion, path: &str) -> Result<String, Refusal> {
    ObjectPrefix::stored(&version.object_prefix).file(path).map_err(|error| invalid(version, &error.to_string()))
}

fn size(manifest: &Manifest) -> u64 {
    manifest.files.iter().map(|file| file.bytes).sum()
}

fn checked_manifest(version: &ServedVersion, bytes: Vec<u8>) -> Result<String, Refusal> {
    let found = hex::encode(Sha256::digest(&bytes));
    if found != version.manifest_sha256 {
        return Err(invalid(version, &format!("{MANIFEST_FILE} has sha256 {found}, expected {}", version.manifest_sha256)));
    }
    String::from_utf8(bytes).map_err(|error| invalid(version, &format!("{MANIFEST_FILE}: {error}")))
}

/// Size of the files of a folder that has the manifest of the version. Its use is recorded in the time of the folder.
fn cached_size(home: &Path, version: &ServedVersion) -> Option<u64> {
    let text = checked_manifest(version, fs::read(home.join(MANIFEST_FILE)).ok()?).ok()?;
    // on failure the folder is deleted earlier than others
    let _ = fs::File::open(home).and_then(|folder| folder.set_modified(SystemTime::now()));
    Some(size(&parse(&text).ok()?))
}

/// Deletes the least recently used folders until the others have at most `limit` bytes. A model in memory does not need its folder.
fn delete_oldest(dir: &Path, limit: u64) {
    let mut folders: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for (path, used_at) in entries(dir, |name| !name.starts_with(STAGED_PREFIX)) {
        match fs::read_to_string(path.join(MANIFEST_FILE)).ok().and_then(|text| parse(&text).ok()) {
            Some(manifest) => folders.push((used_at, size(&manifest), path)),
            // useless, and of unknown size
            None => delete(&path),
        }
    }
    folders.sort();
    let mut total: u64 = folders.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in folders {
        if total <= limit {
            return;
        }
        delete(&path);
        total -= bytes;
    }
}

fn delete(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        warn!(dir = %folder.display(), %error, "cannot delete a downloaded model");
    }
}

/// Deletes what killed processes have left behind.
fn delete_abandoned(dir: &Path) {
    for (path, changed_at) in entries(dir, |name| name.starts_with(STAGED_PREFIX)) {
        if changed_at.elapsed().is_ok_and(|age| age > ABANDONED_AGE) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Folders in a folder with the time of their last change.
fn entries(dir: &Path, select: impl Fn(&str) -> bool) -> impl Iterator<Item = (PathBuf, SystemTime)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let selected = entries.filter(move |entry| entry.file_name().to_str().is_some_and(&select));
    selected.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        metadata.is_dir().then_some(())?;
        Some((entry.path(), metadata.modified().ok()?))
    })
}

fn invalid(version: &ServedVersion, reason: &str) -> Refusal {
    Refusal::new(RefusalReason::InvalidModel, format!("model `{}` version {} cannot be used: {reason}", version.model, version.number))
}

fn failed(version: &ServedVersion, error: &StoreError) -> Refusal {
    match error {
        StoreError::ChecksumMismatch { .. } | StoreError::MissingObject(_) => invalid(version, &error.to_string()),
        _ => {
            let detail = format!("the files of model `{}` version {} cannot be downloaded: {error}", version.model, version.number);
            Refusal::new(RefusalReason::FilesUnavailable, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(prefix: &str, hash: &str) -> ServedVersion {
        ServedVersion { model: "m".to_owned(), number: 1, object_prefix: prefix.to_owned(), manifest_sha256: hash.to_owned() }
    }

    #[test]
    fn names_that_leave_the_folder_or_the_models_are_refused() {
        let hash = "a".repeat(64);
        assert!(check(&version("models/m/run-1/attempt-1", &hash)).is_ok());
        for (prefix, hash) in [
            ("datasets/x", hash.as_str()),
            ("models/../datasets/x", &hash),
            ("models/m", "../../etc"),
            ("models/m", &"A".repeat(64)),
            ("models/m", &"a".repeat(63)),
        ] {
            assert_eq!(check(&version(prefix, hash)).unwrap_err().reason, RefusalReason::InvalidRequest, "{prefix} {hash}");
        }
    }

    /// Writes a model folder of `bytes` bytes that was used `age` seconds ago.
    fn folder(dir: &Path, name: &str, bytes: usize, age: u64) -> PathBuf {
        let path = dir.join(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("weights"), vec![0; bytes]).unwrap();
        aprendiz_inference::manifest::write(&path).unwrap();
        fs::File::open(&path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        path
    }

    #[test]
    fn the_least_recently_used_folders_are_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let [old, middle, new] = [("a", 30), ("b", 20), ("c", 10)].map(|(name, age)| folder(dir.path(), name, 100, age));
        delete_oldest(dir.path(), 300);
        assert!(old.exists());
        delete_oldest(dir.path(), 299);
        assert!(!old.exists() && middle.exists() && new.exists());
        fs::write(middle.join(MANIFEST_FILE), "{").unwrap();
        fs::File::open(&middle).unwrap().set_modified(SystemTime::now() - Duration::from_secs(20)).unwrap();
        delete_oldest(dir.path(), 300);
        assert!(!middle.exists() && new.exists(), "a folder without a manifest is useless");
    }

    #[test]
    fn only_old_downloads_are_abandoned() {
        let dir = tempfile::tempdir().unwrap();
        let old = folder(dir.path(), "fetching-a", 1, 7_200);
        let new = folder(dir.path(), "fetching-b", 1, 0);
        delete_abandoned(dir.path());
        delete_oldest(dir.path(), 0);
        assert!(!old.exists() && new.exists());
    }

    #[test]
    fn a_cached_folder_needs_the_manifest_of_the_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = folder(dir.path(), "a", 100, 7_200);
        let hash = hex::encode(Sha256::digest(fs::read(path.join(MANIFEST_FILE)).unwrap()));
        assert_eq!(cached_size(&path, &version("models/m", &hash)), Some(100));
        assert!(fs::metadata(&path).unwrap().modified().unwrap().elapsed().unwrap() < Duration::from_secs(3_600));
        assert_eq!(cached_size(&path, &version("models/m", &"0".repeat(64))), None);
        assert_eq!(cached_size(&dir.path().join("b"), &version("models/m", &hash)), None);
    }
}
