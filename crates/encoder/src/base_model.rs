//! Finds base models: a directory, or a name that is looked up in the caches of this machine.

use std::path::{Path, PathBuf};

use inference::manifest::hash_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::EncoderError,
    files::{CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE},
    model::{config::BertConfig, modules::Modules},
    tokenizer::Tokenizer,
};

/// Default organisation of a name.
const DEFAULT_OWNER: &str = "sentence-transformers";

/// Known published files: model, file, SHA-256.
const PUBLISHED: [(&str, &str, &str); 2] = [
    ("sentence-transformers/all-MiniLM-L6-v2", WEIGHTS_FILE, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    ("sentence-transformers/all-MiniLM-L6-v2", TOKENIZER_FILE, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
];

/// Caches in which names are looked up, in this order. The folders may be missing.
#[derive(Debug, Clone, Default)]
pub struct BaseModelCaches {
    /// Folder that `./dev weights` fills: `NAME/model.safetensors` for the default organisation, `OWNER/NAME` for others.
    pub weights: Option<PathBuf>,
    /// Cache of the Hugging Face tools: `$HF_HOME/hub`, by default `~/.cache/huggingface/hub`.
    pub hub: Option<PathBuf>,
}

/// A base model on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    /// The directory.
    pub dir: PathBuf,
    /// SHA-256 over configuration, tokenizer and weights, as hexadecimal digits. Identifies the base model of a training.
    pub hash: String,
}

impl BaseModel {
    /// Finds a base model. `name` is a directory if it starts with `/` or `./`, otherwise a name on Hugging Face such as `all-MiniLM-L6-v2`
    /// or `sentence-transformers/all-MiniLM-L6-v2`. Never downloads anything.
    ///
    /// # Errors
    /// `unknown_base_model`, with instructions to get it, if it is not found; `bad_base_model` if files of a known model differ from the
    /// published ones.
    pub fn find(name: &str, caches: &BaseModelCaches) -> Result<Self, EncoderError> {
        if name.starts_with('/') || name.starts_with("./") {
            let dir = Path::new(name);
            let missing = || unknown(name, format!("the directory has no {WEIGHTS_FILE}"));
            return if dir.join(WEIGHTS_FILE).is_file() { Self::from_dir(dir, None) } else { Err(missing()) };
        }
        let invalid_name =
            || unknown(name, "not a valid name on Hugging Face: use letters, digits, `.`, `_` and `-`, with at most one `/` between them");
        let (owner, model) = hub_name(name).ok_or_else(invalid_name)?;
        let full_name = format!("{owner}/{model}");
        let plain = caches.weights.iter().filter(|_| owner == DEFAULT_OWNER).map(|folder| folder.join(model));
        let owned = caches.weights.iter().map(|folder| folder.join(owner).join(model));
        let hub = caches.hub.iter().filter_map(|hub| newest_snapshot(&hub.join(format!("models--{owner}--{model}"))));
        match plain.chain(owned).chain(hub).find(|dir| dir.join(WEIGHTS_FILE).is_file()) {
            Some(dir) => Self::from_dir(&dir, Some(&full_name)),
            None => Err(unknown(name, instructions(&full_name, caches))),
        }
    }

    /// Checks a directory that is to become the model `full_name`: files of a known model must be the published ones, and the described
    /// network must be supported. Does not read the tensors.
    ///
    /// # Errors
    /// `bad_base_model`.
    pub fn check(dir: &Path, full_name: &str) -> Result<Self, EncoderError> {
        let config = BertConfig::read(&dir.join(CONFIG_FILE))?;
        Modules::read(dir, config.max_position_embeddings)?;
        Tokenizer::read(&dir.join(TOKENIZER_FILE))?;
        Self::from_dir(dir, Some(full_name))
    }

    fn from_dir(dir: &Path, name: Option<&str>) -> Result<Self, EncoderError> {
        let mut hasher = Sha256::new();
        for file in [CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE] {
            let path = dir.join(file);
            let (_, hash) = hash_file(&path)?;
            hasher.update(&hash);
            let published = PUBLISHED.iter().find(|(known, known_file, _)| Some(*known) == name && *known_file == file);
            if let Some((known, _, published)) = published
                && *published != hash
            {
                let reason = format!("has sha256 {hash}, the file of {known} has {published}: delete it and download it again");
                return Err(EncoderError::rejected(path, reason));
            }
        }
        Ok(Self { dir: dir.to_owned(), hash: hex::encode(hasher.finalize()) })
    }
}

/// Owner and model of a name on Hugging Face; `None` if it is not a valid name.
#[must_use]
pub fn hub_name(name: &str) -> Option<(&str, &str)> {
    let (owner, model) = name.split_once('/').unwrap_or((DEFAULT_OWNER, name));
    (is_valid_component(owner) && is_valid_component(model)).then_some((owner, model))
}

fn unknown(name: &str, reason: impl Into<String>) -> EncoderError {
    EncoderError::UnknownBaseModel { name: name.to_owned(), reason: reason.into() }
}

fn instructions(name: &str, caches: &BaseModelCaches) -> String {
    let display = |folder: &Option<PathBuf>| folder.as_ref().map_or("none".to_owned(), |folder| folder.display().to_string());
    let fetch = if PUBLISHED.iter().any(|(known, _, _)| *known == name) { "run `./dev weights`, or " } else { "" };
    format!(
        "searched in {} and {}; {fetch}download it with `hf download {name}` on this machine, let workers download it (APRENDIZ_HUB=https://huggingface.co), or use a \
         directory",
        display(&caches.weights),
        display(&caches.hub)
    )
}

/// The snapshot of the revision `main`, or any snapshot if `main` is unknown.
fn newest_snapshot(model: &Path) -> Option<PathBuf> {
    let snapshots = model.join("snapshots");
    if let Ok(revision) = std::fs::read_to_string(model.join("refs/main"))
        && is_valid_component(revision.trim())
    {
        return Some(snapshots.join(revision.trim()));
    }
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(snapshots).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    dirs.sort();
    dirs.pop()
}

fn is_valid_component(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn model(dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        for file in [CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE] {
            fs::write(dir.join(file), file).unwrap();
        }
    }

    #[test]
    fn the_error_for_a_missing_model_says_where_it_was_searched_and_how_to_get_it() {
        let caches = BaseModelCaches { weights: Some("/nowhere/weights".into()), hub: Some("/nowhere/hub".into()) };
        let error = BaseModel::find("all-MiniLM-L6-v2", &caches).unwrap_err();
        assert_eq!(error.code(), "unknown_base_model");
        let message = error.to_string();
        assert!(
            ["/nowhere/weights", "/nowhere/hub", "./dev weights", "hf download"].iter().all(|part| message.contains(part)),
            "{message}"
        );
        assert_eq!(BaseModel::find("/nowhere", &caches).unwrap_err().code(), "unknown_base_model");
    }

    #[test]
    fn names_with_path_components_are_rejected() {
        for name in ["../x", "a/b/c", "a/..", "", "a b", "é"] {
            assert_eq!(BaseModel::find(name, &BaseModelCaches::default()).unwrap_err().code(), "unknown_base_model", "{name}");
        }
    }

    #[test]
    fn a_name_is_found_in_the_hugging_face_cache_at_the_revision_of_main() {
        let hub = tempfile::tempdir().unwrap();
        let folder = hub.path().join("models--someone--tiny");
        model(&folder.join("snapshots/abc"));
        model(&folder.join("snapshots/zzz"));
        fs::create_dir(folder.join("refs")).unwrap();
        fs::write(folder.join("refs/main"), "abc\n").unwrap();
        let caches = BaseModelCaches { weights: None, hub: Some(hub.path().to_owned()) };
        let found = BaseModel::find("someone/tiny", &caches).unwrap();
        assert!(found.dir.ends_with("snapshots/abc"));
        assert_eq!(found.hash, BaseModel::find(folder.join("snapshots/zzz").to_str().unwrap(), &caches).unwrap().hash);
    }

    #[test]
    fn the_same_name_of_another_owner_is_another_model() {
        let weights = tempfile::tempdir().unwrap();
        model(&weights.path().join("tiny"));
        let caches = BaseModelCaches { weights: Some(weights.path().to_owned()), hub: None };
        assert!(BaseModel::find("tiny", &caches).is_ok() && BaseModel::find("sentence-transformers/tiny", &caches).is_ok());
        assert_eq!(BaseModel::find("someone/tiny", &caches).unwrap_err().code(), "unknown_base_model");
        model(&weights.path().join("someone/tiny"));
        assert!(BaseModel::find("someone/tiny", &caches).unwrap().dir.ends_with("someone/tiny"));
    }

    #[test]
    fn files_of_a_known_model_must_be_the_published_ones() {
        let weights = tempfile::tempdir().unwrap();
        model(&weights.path().join("all-MiniLM-L6-v2"));
        let caches = BaseModelCaches { weights: Some(weights.path().to_owned()), hub: None };
        let error = BaseModel::find("all-MiniLM-L6-v2", &caches).unwrap_err();
        assert_eq!(error.code(), "bad_base_model");
        assert!(error.to_string().contains("sha256"), "{error}");
    }
}
