//! A base model from a hub that speaks as Hugging Face's does: fetched once into the folder of base models, if the operator has allowed it.
//!
//! What `main` is now is asked first; then the files of that commit are fetched, so that a push in between cannot mix two. The hub says the
//! hash of the weights; all of it is checked again by whoever reads it.

use std::path::Path;
use std::time::Duration;

use ::artifacts::check_relative_path;
use encoder::{BaseModel, CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE};
use reqwest::{Client, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::config::HubConfig;
use crate::failure::Stop;
use crate::pipeline::scratch::is_older_than;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A hub that sends nothing for so long is away.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// All files of a model: those of encoders that are computed here take some hundred megabytes.
const MOST_BYTES: u64 = 4 << 30;
/// The answer about a model.
const MOST_ANSWER_BYTES: u64 = 16 << 20;
/// Files of a model; five, and one for each of its modules.
const MOST_FILES: usize = 16;
/// What begins the names of folders that are being filled.
const ARRIVING: &str = ".fetching-";
/// Such a folder was left behind by a killed worker.
const GIVEN_UP: Duration = Duration::from_secs(24 * 3600);

/// What a hub says of a model.
#[derive(Deserialize)]
struct Model {
    /// The commit.
    sha: String,
    /// Its files; once it is known, those that are read.
    siblings: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "rfilename")]
    path: String,
    size: Option<u64>,
    /// Where its bytes are not in the repository itself.
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    sha256: String,
}

/// A model that was fetched.
pub(crate) struct Fetched {
    pub(crate) commit: String,
    pub(crate) bytes: u64,
}

/// Fetches the model `owner/name` into `folder/owner/name`, where it appears when it is whole and can be read. `None` if somebody else has
/// put it there meanwhile.
pub(crate) async fn fetch(hub: &HubConfig, owner: &str, name: &str, folder: &Path) -> Result<Option<Fetched>, Stop> {
    let fetcher = Fetcher::new(hub, format!("{owner}/{name}"))?;
    let place = folder.join(owner).join(name);
    if place.join(WEIGHTS_FILE).is_file() {
        return Ok(None);
    }
    // a folder of models must not come to lie in a model, or be filled up
    if place.exists() || folder.join(owner).join(WEIGHTS_FILE).exists() {
        return Err(fetcher.unknown(&format!("`{}` is in its way and is no model: remove it", place.display())));
    }
    let model = fetcher.model().await?;
    let arriving = prepare(folder).map_err(|error| cannot_keep(folder, &error))?;
    let mut bytes = 0;
    for file in &model.siblings {
        bytes += fetcher.file(&model.sha, file, &arriving.path().join(&file.path), MOST_BYTES - bytes).await?;
    }
    let dir = arriving.path().to_owned();
    let full_name = fetcher.model.clone();
    let checked = tokio::task::spawn_blocking(move || BaseModel::check(&dir, &full_name)).await;
    checked.map_err(|error| fetcher.unusable(&error.to_string()))??;
    keep(arriving, &place).map_err(|error| cannot_keep(&place, &error))?;
    Ok(Some(Fetched { commit: model.sha, bytes }))
}

fn cannot_keep(path: &Path, error: &std::io::Error) -> Stop {
    Stop::retryable("hub_unusable", format!("a base model from the hub cannot be kept: `{}`: {error}", path.display()))
}

/// A new folder in the folder of base models; what killed workers left in it goes.
fn prepare(folder: &Path) -> std::io::Result<tempfile::TempDir> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(ARRIVING) && is_older_than(&entry, GIVEN_UP) {
            // if it cannot be removed now, somebody else did, or will
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new().prefix(ARRIVING).tempdir_in(folder)
}

/// Of two workers that fetched at once, one was faster.
fn keep(arriving: tempfile::TempDir, place: &Path) -> std::io::Result<()> {
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // other users' workers may read it
    std::fs::set_permissions(arriving.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    match std::fs::rename(arriving.path(), place) {
        Err(_) if place.join(WEIGHTS_FILE).is_file() => Ok(()),
        // it is somewhere else now: nothing is left to delete
        Ok(()) => {
            drop(arriving.keep());
            Ok(())
        }
        error => error,
    }
}

/// Whether a file is one that encoders are read from: no code, no weights in other formats.
fn is_read(path: &str) -> bool {
    match path.split_once('/') {
        None => [CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE, "modules.json", "sentence_bert_config.json"].contains(&path),
        // such as 1_Pooling
        Some((module, CONFIG_FILE)) => module.starts_with(|c: char| c.is_ascii_digit()) && check_relative_path(path).is_ok(),
        Some(_) => false,
    }
}

struct Fetcher<'a> {
    hub: &'a HubConfig,
    model: String,
    client: Client,
}

impl<'a> Fetcher<'a> {
    fn new(hub: &'a HubConfig, model: String) -> Result<Self, Stop> {
        // wherever it leads to
        let secure = hub.endpoint.starts_with("https://");
        let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).https_only(secure).build();
        let client = client.map_err(|error| Stop::permanent("broken_state", format!("no HTTP client: {error}")))?;
        Ok(Self { hub, model, client })
    }

    async fn model(&self) -> Result<Model, Stop> {
        let response = self.get(&format!("api/models/{}/revision/main?blobs=true", self.model)).await?;
        let mut text = Vec::new();
        self.read(response, MOST_ANSWER_BYTES, Path::new("memory"), &mut text).await?;
        let mut model: Model =
            serde_json::from_slice(&text).map_err(|error| self.unusable(&format!("its answer is not understood: {error}")))?;
        if model.sha.len() != 40 || !model.sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.unusable("it names no commit"));
        }
        model.siblings.retain(|file| is_read(&file.path));
        let find = |path: &str| model.siblings.iter().find(|file| file.path == path);
        if let Some(missing) = [CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE].iter().find(|needed| find(needed).is_none()) {
            return Err(self.unknown(&format!("it has no {missing}, which encoders are read from")));
        }
        if find(WEIGHTS_FILE).is_none_or(|file| file.lfs.is_none()) {
            return Err(self.unknown("its hub says no sha256 of the weights"));
        }
        if model.siblings.len() > MOST_FILES {
            return Err(self.unknown(&format!("it has {} files of modules, {MOST_FILES} at most are fetched", model.siblings.len())));
        }
        Ok(model)
    }

    async fn file(&self, commit: &str, file: &File, path: &Path, most: u64) -> Result<u64, Stop> {
        let response = self.get(&format!("{}/resolve/{commit}/{}", self.model, file.path)).await?;
        let cannot = |error: std::io::Error| cannot_keep(path, &error);
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(cannot)?;
        }
        let mut out = tokio::fs::File::create(path).await.map_err(cannot)?;
        let (bytes, sha256) = self.read(response, most, path, &mut out).await?;
        // it will be there under its name after a power cut, too
        out.sync_all().await.map_err(cannot)?;
        let differs = |what: &str| Err(self.unusable(&format!("{} arrived with another {what} than the hub says", file.path)));
        match file {
            File { size: Some(size), .. } if *size != bytes => differs("size"),
            File { lfs: Some(large), .. } if large.sha256 != sha256 => differs("sha256"),
            _ => Ok(bytes),
        }
    }

    async fn get(&self, path: &str) -> Result<Response, Stop> {
        let mut request = self.client.get(format!("{}/{path}", self.hub.endpoint));
        if let Some(token) = &self.hub.token {
            // not sent along to other hosts that the hub leads to
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| self.unusable(&in_words(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => Err(self.unknown(&format!(
                "it answers {status}: no such model, or one that is shown only to those who set HF_TOKEN and have accepted its terms"
            ))),
            status => Err(self.unusable(&format!("it answers {status}"))),
        }
    }

    /// Writes the body, no more than `most` bytes of it. Returns how many there were, and their SHA-256.
    async fn read(
        &self,
        mut response: Response,
        most: u64,
        path: &Path,
        out: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(u64, String), Stop> {
        let (mut bytes, mut hash) = (0, Sha256::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unusable(&in_words(&error)))? {
            bytes += chunk.len() as u64;
            if bytes > most {
                return Err(self.unknown("it has more bytes than are fetched"));
            }
            hash.update(&chunk);
            out.write_all(&chunk).await.map_err(|error| cannot_keep(path, &error))?;
        }
        Ok((bytes, hex::encode(hash.finalize())))
    }

    fn unusable(&self, reason: &str) -> Stop {
        Stop::retryable("hub_unusable", format!("base model `{}` cannot be fetched from {}: {reason}", self.model, self.hub.endpoint))
    }

    fn unknown(&self, reason: &str) -> Stop {
        Stop::permanent("unknown_base_model", format!("base model `{}` cannot be had from {}: {reason}", self.model, self.hub.endpoint))
    }
}

/// The innermost cause says what is the matter; addresses may hold secrets.
fn in_words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() { "it does not answer in time".to_owned() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_encoders_are_read_from_is_fetched() {
        for path in
            ["config.json", "tokenizer.json", "model.safetensors", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"]
        {
            assert!(is_read(path), "{path}");
        }
        for path in [
            "pytorch_model.bin",
            "onnx/model.onnx",
            "onnx/config.json",
            "1_Pooling/../../config.json",
            "../config.json",
            "README.md",
            "1 x/config.json",
        ] {
            assert!(!is_read(path), "{path}");
        }
    }

    #[test]
    fn a_model_appears_whole_and_of_two_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("owner/name");
        for weights in ["first", "second"] {
            let arriving = prepare(folder.path()).unwrap();
            std::fs::write(arriving.path().join(WEIGHTS_FILE), weights).unwrap();
            keep(arriving, &place).unwrap();
        }
        assert_eq!(std::fs::read_to_string(place.join(WEIGHTS_FILE)).unwrap(), "first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
