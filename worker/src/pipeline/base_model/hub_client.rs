//! HTTP client of a Hugging Face compatible hub, for one model.

use std::path::Path;
use std::time::Duration;

use aprendiz_artifacts::check_relative_path;
use aprendiz_encoder::{CONFIG_FILE, SPECIAL_TOKENS_FILE, TOKENIZER_FILE, WEIGHTS_FILE, WORD_LIST_FILE, is_model_file, is_weights_file};
use reqwest::{Client, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::config::HubConfig;
use crate::interruption::Interruption;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A hub that sends nothing for this long is considered unavailable.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_INFO_BYTES: u64 = 16 << 20;
/// A dozen files of the model itself, one for each of its modules, and the parts of its weights.
const MAX_FILES: usize = 64;

/// The hub's description of a model.
#[derive(Deserialize)]
pub(super) struct ModelInfo {
    /// The commit of `main`.
    #[serde(rename = "sha")]
    pub(super) commit: String,
    /// Its files, reduced to those that encoders are loaded from.
    #[serde(rename = "siblings")]
    pub(super) files: Vec<HubFile>,
}

#[derive(Deserialize)]
pub(super) struct HubFile {
    #[serde(rename = "rfilename")]
    pub(super) path: String,
    size: Option<u64>,
    /// Present if the file is stored in Git LFS.
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    sha256: String,
}

/// Client for the files of one model.
pub(super) struct HubClient<'a> {
    hub: &'a HubConfig,
    model: String,
    client: Client,
}

impl<'a> HubClient<'a> {
    pub(super) fn new(hub: &'a HubConfig, model: String) -> Result<Self, Interruption> {
        // applies to redirects as well
        let https_only = hub.endpoint.starts_with("https://");
        let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).https_only(https_only).build();
        let client = client.map_err(|error| Interruption::broken_state(format!("cannot create an HTTP client: {error}")))?;
        Ok(Self { hub, model, client })
    }

    /// `OWNER/NAME` of the model.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// Fetches and validates the description of the model.
    pub(super) async fn model_info(&self) -> Result<ModelInfo, Interruption> {
        let response = self.get(&format!("api/models/{}/revision/main?blobs=true", self.model)).await?;
        let mut text = Vec::new();
        self.read(response, MAX_INFO_BYTES, Path::new("memory"), &mut text).await?;
        let mut info: ModelInfo = serde_json::from_slice(&text).map_err(|error| self.unavailable(&format!("invalid response: {error}")))?;
        if info.commit.len() != 40 || !info.commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.unavailable("the response contains no commit"));
        }
        info.files.retain(|file| is_encoder_file(&file.path));
        // a model with both has its weights twice
        let whole: Vec<String> = info.files.iter().filter(|file| file.path.ends_with(WEIGHTS_FILE)).map(|file| file.path.clone()).collect();
        let folder = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        info.files.retain(|file| {
            !is_weights_file(&file.path) || !whole.iter().any(|whole| *whole != file.path && folder(whole) == folder(&file.path))
        });
        // in older models, the files of the network are in a folder
        let is = |path: &str, name: &str| path == name || path.ends_with(&format!("/{name}"));
        let has = |name: &str| info.files.iter().any(|file| is(&file.path, name));
        // older models have a word list instead, which is not read beside a tokenizer
        let tokenizer = if has(TOKENIZER_FILE) || !has(WORD_LIST_FILE) { TOKENIZER_FILE } else { WORD_LIST_FILE };
        let missing = [CONFIG_FILE, tokenizer].into_iter().find(|required| !has(required));
        if tokenizer == TOKENIZER_FILE {
            info.files.retain(|file| ![WORD_LIST_FILE, SPECIAL_TOKENS_FILE].iter().any(|name| is(&file.path, name)));
        }
        if let Some(missing) = missing {
            return Err(self.unknown(&format!("it has no {missing}, which encoders require")));
        }
        let mut weights = info.files.iter().filter(|file| is_weights_file(&file.path)).peekable();
        if weights.peek().is_none() {
            return Err(self.unknown("it has no weights as safetensors, which encoders require"));
        }
        if weights.any(|file| file.lfs.is_none()) {
            return Err(self.unknown("the hub reports no sha256 of the weights"));
        }
        if info.files.len() > MAX_FILES {
            return Err(self.unknown(&format!("it has {} files to download, the limit is {MAX_FILES}", info.files.len())));
        }
        Ok(info)
    }

    /// Downloads a file of at most `max_bytes` and verifies it. Returns its size.
    pub(super) async fn download(&self, commit: &str, file: &HubFile, path: &Path, max_bytes: u64) -> Result<u64, Interruption> {
        let response = self.get(&format!("{}/resolve/{commit}/{}", self.model, file.path)).await?;
        let failed = |error: std::io::Error| cannot_store(path, &error);
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(failed)?;
        }
        let mut out = tokio::fs::File::create(path).await.map_err(failed)?;
        let (bytes, sha256) = self.read(response, max_bytes, path, &mut out).await?;
        // durable before the folder gets its final name, even after a power failure
        out.sync_all().await.map_err(failed)?;
        let mismatch = |what: &str| Err(self.unavailable(&format!("{} has another {what} than the hub reports", file.path)));
        match file {
            HubFile { size: Some(size), .. } if *size != bytes => mismatch("size"),
            HubFile { lfs: Some(large), .. } if large.sha256 != sha256 => mismatch("sha256"),
            _ => Ok(bytes),
        }
    }

    async fn get(&self, path: &str) -> Result<Response, Interruption> {
        let mut request = self.client.get(format!("{}/{path}", self.hub.endpoint));
        if let Some(token) = &self.hub.token {
            // reqwest drops the token on redirects to other hosts
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| self.unavailable(&root_cause(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => Err(self.unknown(&format!(
                "HTTP {status}: the model does not exist, or it is private or gated: set HF_TOKEN and accept its terms"
            ))),
            status => Err(self.unavailable(&format!("HTTP {status}"))),
        }
    }

    /// Writes the body, at most `max_bytes` of it. Returns its size and SHA-256.
    async fn read(
        &self,
        mut response: Response,
        max_bytes: u64,
        path: &Path,
        out: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(u64, String), Interruption> {
        let (mut bytes, mut hash) = (0, Sha256::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unavailable(&root_cause(&error)))? {
            bytes += chunk.len() as u64;
            if bytes > max_bytes {
                return Err(self.unknown("it exceeds the size limit"));
            }
            hash.update(&chunk);
            out.write_all(&chunk).await.map_err(|error| cannot_store(path, &error))?;
        }
        Ok((bytes, hex::encode(hash.finalize())))
    }

    /// The download may succeed later.
    pub(super) fn unavailable(&self, reason: &str) -> Interruption {
        let text = format!("cannot download base model `{}` from {}: {reason}", self.model, self.hub.endpoint);
        Interruption::retryable("hub_unusable", text)
    }

    /// The hub has no usable model of this name.
    pub(super) fn unknown(&self, reason: &str) -> Interruption {
        let text = format!("base model `{}` cannot be used from {}: {reason}", self.model, self.hub.endpoint);
        Interruption::permanent("unknown_base_model", text)
    }
}

/// The folder of base models is not writable.
pub(super) fn cannot_store(path: &Path, error: &std::io::Error) -> Interruption {
    Interruption::retryable("hub_unusable", format!("cannot store a base model from the hub: `{}`: {error}", path.display()))
}

/// Whether encoders are loaded from the file: no code, and no weights in other formats.
fn is_encoder_file(path: &str) -> bool {
    match path.split_once('/') {
        None => is_model_file(path),
        // such as 1_Pooling
        Some((module, name)) => {
            let is_module = module.starts_with(|c: char| c.is_ascii_digit()) && !name.contains('/');
            is_module && is_model_file(name) && check_relative_path(path).is_ok()
        }
    }
}

/// The innermost cause only, because outer errors contain URLs, which may contain secrets.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() { "timeout".to_owned() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encoder_files_are_downloaded() {
        for path in [
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "added_tokens.json",
            "vocab.txt",
            "special_tokens_map.json",
            "model.safetensors",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "modules.json",
            "config_sentence_transformers.json",
            "sentence_bert_config.json",
            "sentence_roberta_config.json",
            "1_Pooling/config.json",
            "0_Transformer/model.safetensors",
        ] {
            assert!(is_encoder_file(path), "{path}");
        }
        for path in [
            "pytorch_model.bin",
            "onnx/model.onnx",
            "onnx/config.json",
            "1_Pooling/../../config.json",
            "../config.json",
            "README.md",
            "1 x/config.json",
            "openvino/model.safetensors",
            "model-1.safetensors",
            "0_Transformer/x/model.safetensors",
        ] {
            assert!(!is_encoder_file(path), "{path}");
        }
    }
}
