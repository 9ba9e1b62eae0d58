//! Finds base models: a directory, or a name that is looked up in the caches of this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aprendiz_inference::manifest::hash_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::EncoderError,
    files::{TOKENIZER_FILE, WEIGHTS_FILE},
    hub_cache::find_snapshot,
    hub_component::is_valid_component,
    model::{
        directory::ModelDirectory,
        modules::find_network_folder,
        reader::DirectoryReader,
        weight_files::{self, explain_missing},
    },
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

impl BaseModelCaches {
    /// Names of the base models with weights that can be read, sorted: at most `limit`. Does not read the weights.
    #[must_use]
    pub fn installed(&self, limit: usize) -> Vec<String> {
        let mut names = BTreeSet::new();
        for (name, dir) in self.weights.iter().flat_map(|folder| folders(folder)) {
            if has_weights(&dir) {
                names.insert(name);
            } else {
                let owned = folders(&dir).into_iter().filter(|(_, dir)| has_weights(dir));
                names.extend(owned.map(|(model, _)| format!("{name}/{model}")));
            }
        }
        for (name, dir) in self.hub.iter().flat_map(|folder| folders(folder)) {
            let Some((owner, model)) = name.strip_prefix("models--").and_then(|name| name.split_once("--")) else { continue };
            if matches!(Candidate::in_hub(&dir), Candidate::Usable(..)) {
                names.insert(if owner == DEFAULT_OWNER { model.to_owned() } else { format!("{owner}/{model}") });
            }
        }
        names.into_iter().take(limit).collect()
    }
}

/// The folders in a folder, with their names; none if it cannot be read.
fn folders(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).filter(|(_, path)| path.is_dir()).collect()
}

/// A base model on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    /// The directory.
    pub dir: PathBuf,
    /// SHA-256 over the names and contents of all files that are read, as hexadecimal digits. Identifies the base model of a training.
    pub hash: String,
    /// What was assumed, ignored or converted when the directory was read, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A place where a model was looked for.
enum Candidate {
    /// With notes about the place.
    Usable(PathBuf, Vec<String>),
    Unusable(String),
    Missing,
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
            return match Candidate::at(dir) {
                Candidate::Usable(dir, _) => Self::from_dir(&dir, None, Vec::new()),
                Candidate::Unusable(reason) => Err(unknown(name, reason)),
                Candidate::Missing => Err(unknown(name, "the directory does not exist")),
            };
        }
        let invalid_name =
            || unknown(name, "not a valid name on Hugging Face: use letters, digits, `.`, `_` and `-`, with at most one `/` between them");
        let (owner, model) = hub_name(name).ok_or_else(invalid_name)?;
        let full_name = format!("{owner}/{model}");
        let plain = caches.weights.iter().filter(|_| owner == DEFAULT_OWNER).map(|folder| Candidate::at(&folder.join(model)));
        let owned = caches.weights.iter().map(|folder| Candidate::at(&folder.join(owner).join(model)));
        let hub = caches.hub.iter().map(|hub| Candidate::in_hub(&hub.join(format!("models--{owner}--{model}"))));
        let mut reasons = Vec::new();
        for candidate in plain.chain(owned).chain(hub) {
            match candidate {
                Candidate::Usable(dir, notes) => return Self::from_dir(&dir, Some(&full_name), notes),
                Candidate::Unusable(reason) => reasons.push(reason),
                Candidate::Missing => {}
            }
        }
        Err(unknown(name, instructions(&full_name, caches, &reasons)))
    }

    /// Checks a directory that is to become the model `full_name`: files of a known model must be the published ones, and the described
    /// network must be supported. Does not read the values of the weights.
    ///
    /// # Errors
    /// `bad_base_model`.
    pub fn check(dir: &Path, full_name: &str) -> Result<Self, EncoderError> {
        Self::from_dir(dir, Some(full_name), Vec::new())
    }

    fn from_dir(dir: &Path, name: Option<&str>, mut notes: Vec<String>) -> Result<Self, EncoderError> {
        let directory = ModelDirectory::read(dir)?;
        let mut hasher = Sha256::new();
        for (file, path) in directory.files() {
            let (_, hash) = hash_file(&path)?;
            hasher.update(format!("{file}\0{hash}\n"));
            let published = PUBLISHED.iter().find(|(known, known_file, _)| Some(*known) == name && *known_file == file);
            if let Some((known, _, published)) = published
                && *published != hash
            {
                let reason = format!("has sha256 {hash}, the file of {known} has {published}: delete it and download it again");
                return Err(EncoderError::rejected(path, reason));
            }
        }
        notes.extend(directory.notes);
        Ok(Self { dir: dir.to_owned(), hash: hex::encode(hasher.finalize()), notes })
    }
}

impl Candidate {
    fn at(dir: &Path) -> Self {
        if !dir.exists() {
            return Self::Missing;
        }
        let mut reader = DirectoryReader::new(dir);
        let folder = find_network_folder(&mut reader).unwrap_or_default();
        match weight_files::has_weights(&reader, &folder) {
            true => Self::Usable(dir.to_owned(), Vec::new()),
            false => Self::Unusable(format!("{}: {}", dir.join(&folder).display(), explain_missing(&reader, &folder))),
        }
    }

    fn in_hub(model: &Path) -> Self {
        match find_snapshot(model) {
            Ok(None) => Self::Missing,
            Err(reason) => Self::Unusable(reason),
            Ok(Some((dir, notes))) => match Self::at(&dir) {
                Self::Usable(dir, _) => Self::Usable(dir, notes),
                other => other,
            },
        }
    }
}

/// Whether a directory has weights that can be read.
#[must_use]
pub fn has_weights(dir: &Path) -> bool {
    matches!(Candidate::at(dir), Candidate::Usable(..))
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

fn instructions(name: &str, caches: &BaseModelCaches, unusable: &[String]) -> String {
    let display = |folder: &Option<PathBuf>| folder.as_ref().map_or("none".to_owned(), |folder| folder.display().to_string());
    let fetch = if PUBLISHED.iter().any(|(known, _, _)| *known == name) { "run `./dev weights`, or " } else { "" };
    let unusable = if unusable.is_empty() { String::new() } else { format!("; not used: {}", unusable.join("; ")) };
    format!(
        "searched in {} and {}{unusable}; {fetch}download it with `hf download {name}` on this machine, let workers download it (APRENDIZ_HUB=https://huggingface.co), or use a \
         directory",
        display(&caches.weights),
        display(&caches.hub)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn model(dir: &Path) {
        crate::write_random(dir, 1).unwrap();
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
    fn a_directory_without_weights_is_named_with_what_it_has() {
        let weights = tempfile::tempdir().unwrap();
        let dir = weights.path().join("tiny");
        model(&dir);
        fs::rename(dir.join(WEIGHTS_FILE), dir.join("pytorch_model.bin")).unwrap();
        let caches = BaseModelCaches { weights: Some(weights.path().to_owned()), hub: None };
        for name in ["tiny", dir.to_str().unwrap()] {
            let error = BaseModel::find(name, &caches).unwrap_err();
            let message = error.to_string();
            assert!(error.code() == "unknown_base_model" && message.contains("pytorch_model.bin is not read"), "{message}");
            assert!(message.contains(dir.to_str().unwrap()) && message.contains("safe_serialization"), "{message}");
        }
        assert!(!has_weights(&dir) && !has_weights(&weights.path().join("other")));
    }

    #[test]
    fn installed_models_are_listed_by_the_names_of_specs() {
        let (weights, hub) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        model(&weights.path().join("tiny"));
        model(&weights.path().join("someone/small"));
        fs::create_dir_all(weights.path().join("empty")).unwrap();
        model(&hub.path().join("models--sentence-transformers--tiny/snapshots/abc"));
        model(&hub.path().join("models--someone--other/snapshots/abc"));
        let caches = BaseModelCaches { weights: Some(weights.path().to_owned()), hub: Some(hub.path().to_owned()) };
        assert_eq!(caches.installed(10), ["someone/other", "someone/small", "tiny"]);
        assert_eq!(caches.installed(1), ["someone/other"]);
        let nowhere = BaseModelCaches { weights: Some("/nowhere".into()), hub: None };
        assert!(nowhere.installed(10).is_empty());
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
