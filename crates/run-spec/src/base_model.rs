//! Names of base models. They are parsed and validated here, and never joined to a path.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use crate::error::SpecError;
use crate::model_name::ModelName;

/// Default base model of a sentence transformer.
pub(crate) const DEFAULT_BASE_MODEL: &str = "all-MiniLM-L6-v2";

/// Maximum length of the name of a base model.
const MAX_LENGTH: usize = 400;
/// Maximum length of each part of a name on Hugging Face.
const MAX_PART_LENGTH: usize = 96;

/// Name of a base model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseModelName {
    /// A name on Hugging Face: `all-MiniLM-L6-v2`, `intfloat/e5-small-v2`.
    Hub(String),
    /// A published version of this installation: `models:/contracts-encoder/3`.
    Version(ModelName, i32),
    /// A published version by its location: `s3://bucket/models/contracts-encoder/run-…/attempt-1`.
    Bucket {
        /// Name of the bucket.
        bucket: String,
        /// Prefix in the bucket, without a leading or trailing slash.
        prefix: String,
    },
    /// A directory on the worker's host: absolute, without `..`.
    Directory(PathBuf),
}

impl FromStr for BaseModelName {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        let parsed = if name.len() > MAX_LENGTH {
            None
        } else if let Some(version) = name.strip_prefix("models:/") {
            parse_version(version)
        } else if let Some(location) = name.strip_prefix("s3://") {
            parse_bucket(location)
        } else if name.starts_with('/') {
            parse_directory(name)
        } else {
            parse_hub_name(name)
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

fn parse_version(text: &str) -> Option<BaseModelName> {
    let (model, number) = text.split_once('/')?;
    let number = number.parse().ok().filter(|number| *number >= 1)?;
    Some(BaseModelName::Version(ModelName::try_from(model.to_owned()).ok()?, number))
}

fn parse_bucket(text: &str) -> Option<BaseModelName> {
    let (bucket, prefix) = text.split_once('/')?;
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let is_valid = is_plain(bucket) && prefix.split('/').all(is_plain);
    is_valid.then(|| BaseModelName::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

fn parse_directory(text: &str) -> Option<BaseModelName> {
    let path = Path::new(text);
    let is_valid = !text.contains('\0') && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    is_valid.then(|| BaseModelName::Directory(path.to_owned()))
}

fn parse_hub_name(text: &str) -> Option<BaseModelName> {
    let is_valid = text.split('/').count() <= 2 && text.split('/').all(|part| part.len() <= MAX_PART_LENGTH && is_plain(part));
    is_valid.then(|| BaseModelName::Hub(text.to_owned()))
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
    fn every_form_of_name_is_parsed_and_formatted_back() {
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
    fn a_name_that_could_escape_its_location_is_rejected() {
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
