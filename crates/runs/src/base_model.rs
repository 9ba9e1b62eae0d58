//! How a run spec names the weights that it starts from. Names are told apart and checked here; nothing is joined as a path.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use crate::spec::{ModelName, SpecError};

/// What a sentence transformer starts from when the spec does not say.
pub const DEFAULT_BASE_MODEL: &str = "all-MiniLM-L6-v2";

/// Longest name of a base model.
const MAX_LENGTH: usize = 400;
/// Longest part of a name on Hugging Face.
const MAX_PART: usize = 96;

/// Weights to start from, as the spec names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseModelName {
    /// A name on Hugging Face: `all-MiniLM-L6-v2`, `intfloat/e5-small-v2`.
    Hub(String),
    /// A published version of this installation: `models:/contracts-encoder/3`.
    Version(ModelName, i32),
    /// The same by its place: `s3://bucket/models/contracts-encoder/run-…/attempt-1`.
    Bucket {
        /// Name of the bucket.
        bucket: String,
        /// Prefix in it, without a slash at either end.
        prefix: String,
    },
    /// A directory of the worker's host: absolute, without `..`.
    Directory(PathBuf),
}

impl FromStr for BaseModelName {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        let parsed = if name.len() > MAX_LENGTH {
            None
        } else if let Some(version) = name.strip_prefix("models:/") {
            version_of(version)
        } else if let Some(place) = name.strip_prefix("s3://") {
            place_of(place)
        } else if name.starts_with('/') {
            directory_of(name)
        } else {
            hub_name(name)
        };
        parsed.ok_or_else(|| SpecError::BaseModel(name.chars().take(MAX_LENGTH).collect()))
    }
}

impl fmt::Display for BaseModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(name) => f.write_str(name),
            Self::Version(model, number) => write!(f, "models:/{model}/{number}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

fn version_of(text: &str) -> Option<BaseModelName> {
    let (model, number) = text.split_once('/')?;
    let number = number.parse().ok().filter(|number| *number >= 1)?;
    Some(BaseModelName::Version(ModelName::try_from(model.to_owned()).ok()?, number))
}

fn place_of(text: &str) -> Option<BaseModelName> {
    let (bucket, prefix) = text.split_once('/')?;
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let good = is_plain(bucket) && prefix.split('/').all(is_plain);
    good.then(|| BaseModelName::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

fn directory_of(text: &str) -> Option<BaseModelName> {
    let path = Path::new(text);
    let good = !text.contains('\0') && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    good.then(|| BaseModelName::Directory(path.to_owned()))
}

fn hub_name(text: &str) -> Option<BaseModelName> {
    let good = text.split('/').count() <= 2 && text.split('/').all(|part| part.len() <= MAX_PART && is_plain(part));
    good.then(|| BaseModelName::Hub(text.to_owned()))
}

fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('.')
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_name_is_told_from_the_others_and_written_as_it_was_read() {
        for (name, expected) in [
            ("all-MiniLM-L6-v2", BaseModelName::Hub("all-MiniLM-L6-v2".to_owned())),
            ("intfloat/e5-small-v2", BaseModelName::Hub("intfloat/e5-small-v2".to_owned())),
            ("models:/contracts-encoder/3", BaseModelName::Version("contracts-encoder".parse().unwrap(), 3)),
            ("s3://bucket/models/x/run-1", BaseModelName::Bucket { bucket: "bucket".to_owned(), prefix: "models/x/run-1".to_owned() }),
            ("/srv/weights/mine", BaseModelName::Directory("/srv/weights/mine".into())),
        ] {
            let parsed: BaseModelName = name.parse().unwrap();
            assert_eq!((&parsed, parsed.to_string().as_str()), (&expected, name));
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_name() {
        for name in [
            "",
            "../x",
            "a/../b",
            "a/b/c",
            "a b",
            "./here",
            "~/x",
            ".hidden",
            "/srv/../etc",
            "models:/x",
            "models:/x/0",
            "models:/../1",
            "s3://",
            "s3://bucket",
            "s3://bucket/",
            "s3://bucket/a/../b",
            "s3://bucket//a",
            "https://x/y",
            "é",
            &"a".repeat(401),
        ] {
            let error = name.parse::<BaseModelName>().unwrap_err().to_string();
            assert!(error.contains("models:/"), "{name}: {error}");
        }
    }
}
