//! Object keys. All of them are made here, and each holds the run and attempt that wrote it, so that two attempts never
//! write one object.

use std::fmt;

use uuid::Uuid;

/// What every key begins with.
pub const KEY_PREFIXES: [&str; 4] = ["checkpoints/", "datasets/", "embeddings/", "models/"];

/// A path that must not become part of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no path of a file in a manifest: use relative names of letters, digits, `.`, `_`, `-`, separated by `/`")]
pub struct KeyError(pub String);

/// Where the files of one dataset snapshot or one model version lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPrefix(String);

impl ObjectPrefix {
    /// Prefix of a snapshot built by an attempt.
    #[must_use]
    pub fn dataset(dataset_id: Uuid, run_id: Uuid, attempt: i32) -> Self {
        Self(format!("datasets/{dataset_id}/run-{run_id}/attempt-{attempt}"))
    }

    /// Prefix of a model trained by an attempt. The model's name was validated when the run was created.
    #[must_use]
    pub fn model(model: &str, run_id: Uuid, attempt: i32) -> Self {
        Self(format!("models/{model}/run-{run_id}/attempt-{attempt}"))
    }

    /// Prefix of the checkpoints of an attempt.
    #[must_use]
    pub fn checkpoints(run_id: Uuid, attempt: i32) -> Self {
        Self(format!("checkpoints/run-{run_id}/attempt-{attempt}"))
    }

    /// Prefix of the vectors that an attempt adds to those of an encoder, which is named by a hash.
    #[must_use]
    pub fn embeddings(encoder: &str, run_id: Uuid, attempt: i32) -> Self {
        Self(format!("embeddings/{encoder}/run-{run_id}/attempt-{attempt}"))
    }

    /// A prefix read back from the database.
    #[must_use]
    pub fn stored(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// Key of a file under this prefix.
    ///
    /// # Errors
    /// When the path is not a plain relative one.
    pub fn file(&self, path: &str) -> Result<String, KeyError> {
        check_relative_path(path)?;
        Ok(format!("{}/{path}", self.0))
    }

    /// The prefix as text, without a slash at the end.
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

/// The run and attempt that wrote an object, as its key says; `None` for a key that was not made here.
#[must_use]
pub fn writer_of(key: &str) -> Option<(Uuid, i32)> {
    if !KEY_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return None;
    }
    // a model may be called `run-1`: the run stands directly before the attempt
    let folders: Vec<&str> = key.split('/').collect();
    folders.windows(2).find_map(|pair| {
        let run_id = Uuid::try_parse(pair[0].strip_prefix("run-")?).ok()?;
        let number = pair[1].strip_prefix("attempt-")?.parse().ok().filter(|number| *number >= 1)?;
        Some((run_id, number))
    })
}

/// Checks that a path is safe to join to a folder or a key: relative, plain names, nothing that climbs.
///
/// # Errors
/// [`KeyError`] with the path.
pub fn check_relative_path(path: &str) -> Result<(), KeyError> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    let good_name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain);
    if path.len() <= 200 && path.split('/').all(good_name) { Ok(()) } else { Err(KeyError(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_run_and_attempt() {
        let key = ObjectPrefix::model("contracts", Uuid::nil(), 2).file("config.json").unwrap();
        assert_eq!(key, "models/contracts/run-00000000-0000-0000-0000-000000000000/attempt-2/config.json");
    }

    #[test]
    fn a_key_tells_who_wrote_it() {
        let run = Uuid::from_u128(7);
        for prefix in
            [ObjectPrefix::dataset(Uuid::nil(), run, 3), ObjectPrefix::model("contracts", run, 3), ObjectPrefix::embeddings("5f", run, 3)]
        {
            assert_eq!(writer_of(&prefix.file("data/x.parquet").unwrap()), Some((run, 3)));
        }
        let confusing = ObjectPrefix::model(&format!("run-{}", Uuid::nil()), run, 3).file("config.json").unwrap();
        assert_eq!(writer_of(&confusing), Some((run, 3)));
        for foreign in [
            "models/x/config.json".to_owned(),
            format!("models/x/run-{run}/config.json"),
            format!("models/x/run-{run}/attempt-0/config.json"),
            format!("backups/run-{run}/attempt-1/config.json"),
        ] {
            assert_eq!(writer_of(&foreign), None, "{foreign}");
        }
    }

    #[test]
    fn paths_cannot_climb() {
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a\\b", "a b", "a/"] {
            assert!(check_relative_path(bad).is_err(), "{bad}");
        }
        check_relative_path("data/train-00000-of-00001.parquet").unwrap();
    }
}
