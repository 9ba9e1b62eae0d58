//! Object keys. The key of a file of a run contains the run and the attempt that writes it, so that two attempts never write the same
//! object. The key of an uploaded import file contains the id of the import. All keys are made here.

use std::fmt;

use uuid::Uuid;

/// Top-level prefixes of all keys.
pub const KEY_PREFIXES: [&str; 6] = ["checkpoints/", "datasets/", "embeddings/", "evaluations/", IMPORT_PREFIX, "models/"];

/// Top-level prefix of the uploaded files of background imports.
const IMPORT_PREFIX: &str = "imports/";
/// Top-level prefix of the objects with which the store is probed. They are deleted at once.
const PROBE_PREFIX: &str = "probes/";

/// Who writes an object, as its key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// An attempt of a run.
    Attempt {
        /// The run.
        run_id: Uuid,
        /// Number of the attempt.
        number: i32,
    },
    /// The upload of a background import.
    Import(Uuid),
}

/// Keys of single objects.
#[derive(Debug, Clone, Copy)]
pub struct ObjectKey;

impl ObjectKey {
    /// Key of the uploaded file of a background import.
    #[must_use]
    pub fn import(import_id: Uuid) -> String {
        format!("{IMPORT_PREFIX}{import_id}")
    }

    /// Key of an object that probes the store.
    pub(crate) fn probe(id: Uuid, name: &str) -> String {
        format!("{PROBE_PREFIX}{id}/{name}")
    }
}

/// An unsafe path that cannot be part of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid file path `{0}`: expected a relative path of letters, digits, `.`, `_`, `-`, separated by `/`")]
pub struct KeyError(pub String);

/// Key prefix of the files of a dataset snapshot, a model version, an evaluation, or a set of checkpoints or embeddings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPrefix(String);

impl ObjectPrefix {
    /// Prefix of a snapshot built by an attempt.
    #[must_use]
    pub fn dataset(dataset_id: Uuid, run_id: Uuid, attempt: i32) -> Self {
        Self(format!("datasets/{dataset_id}/run-{run_id}/attempt-{attempt}"))
    }

    /// Prefix of a model trained by an attempt. The model name is validated when the run is created.
    #[must_use]
    pub fn model(model: &str, run_id: Uuid, attempt: i32) -> Self {
        Self(format!("models/{model}/run-{run_id}/attempt-{attempt}"))
    }

    /// Prefix of the checkpoints of an attempt.
    #[must_use]
    pub fn checkpoints(run_id: Uuid, attempt: i32) -> Self {
        Self(format!("checkpoints/run-{run_id}/attempt-{attempt}"))
    }

    /// Prefix of the embeddings that an attempt computes with an encoder. `encoder` is a hash.
    #[must_use]
    pub fn embeddings(encoder: &str, run_id: Uuid, attempt: i32) -> Self {
        Self(format!("embeddings/{encoder}/run-{run_id}/attempt-{attempt}"))
    }

    /// Prefix of the predictions of an attempt that evaluates a published version.
    #[must_use]
    pub fn evaluation(run_id: Uuid, attempt: i32) -> Self {
        Self(format!("evaluations/run-{run_id}/attempt-{attempt}"))
    }

    /// A prefix loaded from the database.
    #[must_use]
    pub fn stored(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// Key of a file under this prefix.
    ///
    /// # Errors
    /// The path is not a plain relative path.
    pub fn file(&self, path: &str) -> Result<String, KeyError> {
        check_relative_path(path)?;
        Ok(format!("{}/{path}", self.0))
    }

    /// The prefix without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses who writes an object from its key. `None` for keys that Aprendiz does not make.
#[must_use]
pub fn parse_owner(key: &str) -> Option<KeyOwner> {
    if let Some(import_id) = key.strip_prefix(IMPORT_PREFIX) {
        return Uuid::try_parse(import_id).ok().map(KeyOwner::Import);
    }
    if !KEY_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return None;
    }
    // a model may be named `run-1`, so the run is the segment directly before the attempt
    let segments: Vec<&str> = key.split('/').collect();
    segments.windows(2).find_map(|pair| {
        let run_id = Uuid::try_parse(pair[0].strip_prefix("run-")?).ok()?;
        let number = pair[1].strip_prefix("attempt-")?.parse().ok().filter(|number| *number >= 1)?;
        Some(KeyOwner::Attempt { run_id, number })
    })
}

/// Checks that a path can safely be joined to a directory or a key: it is relative, and its names are plain.
///
/// # Errors
/// [`KeyError`] with the path.
pub fn check_relative_path(path: &str) -> Result<(), KeyError> {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    let is_valid_name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain);
    if path.len() <= 200 && path.split('/').all(is_valid_name) { Ok(()) } else { Err(KeyError(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_contain_run_and_attempt() {
        let key = ObjectPrefix::model("contracts", Uuid::nil(), 2).file("config.json").unwrap();
        assert_eq!(key, "models/contracts/run-00000000-0000-0000-0000-000000000000/attempt-2/config.json");
    }

    #[test]
    fn the_owner_is_parsed_from_the_key() {
        let run_id = Uuid::from_u128(7);
        let owner = Some(KeyOwner::Attempt { run_id, number: 3 });
        for prefix in [
            ObjectPrefix::dataset(Uuid::nil(), run_id, 3),
            ObjectPrefix::model("contracts", run_id, 3),
            ObjectPrefix::embeddings("5f", run_id, 3),
            ObjectPrefix::checkpoints(run_id, 3),
            ObjectPrefix::evaluation(run_id, 3),
        ] {
            assert_eq!(parse_owner(&prefix.file("data/x.parquet").unwrap()), owner);
        }
        let ambiguous = ObjectPrefix::model(&format!("run-{}", Uuid::nil()), run_id, 3).file("config.json").unwrap();
        assert_eq!(parse_owner(&ambiguous), owner);
        assert_eq!(parse_owner(&ObjectKey::import(run_id)), Some(KeyOwner::Import(run_id)));
        for foreign in [
            "models/x/config.json".to_owned(),
            "imports/readme.txt".to_owned(),
            format!("models/x/run-{run_id}/config.json"),
            format!("models/x/run-{run_id}/attempt-0/config.json"),
            format!("backups/run-{run_id}/attempt-1/config.json"),
            ObjectKey::probe(run_id, "object"),
        ] {
            assert_eq!(parse_owner(&foreign), None, "{foreign}");
        }
    }

    #[test]
    fn every_key_is_below_a_listed_prefix() {
        let id = Uuid::nil();
        let prefixes = [
            ObjectPrefix::dataset(id, id, 1),
            ObjectPrefix::model("m", id, 1),
            ObjectPrefix::checkpoints(id, 1),
            ObjectPrefix::embeddings("5f", id, 1),
            ObjectPrefix::evaluation(id, 1),
            ObjectPrefix::stored(&ObjectKey::import(id)),
        ];
        for prefix in prefixes {
            assert!(KEY_PREFIXES.iter().any(|listed| prefix.as_str().starts_with(listed)), "{prefix}");
        }
    }

    #[test]
    fn unsafe_paths_are_rejected() {
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a\\b", "a b", "a/"] {
            assert!(check_relative_path(bad).is_err(), "{bad}");
        }
        check_relative_path("data/train-00000-of-00001.parquet").unwrap();
    }
}
