//! Names of models.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::SpecError;

/// Name of a model: lower-case letters, digits, `.`, `_`, `-`; starts with a letter or digit; at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "contracts", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
pub struct ModelName(String);

impl ModelName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModelName {
    type Error = SpecError;

    fn try_from(name: String) -> Result<Self, SpecError> {
        if is_name(&name) { Ok(Self(name)) } else { Err(SpecError::ModelName(name)) }
    }
}

/// Whether a text is a name of a model or a queue.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
    matches!(name.as_bytes(), [first, ..] if first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.len() <= 63
        && name.bytes().all(allowed)
}

impl std::str::FromStr for ModelName {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        Self::try_from(name.to_owned())
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

impl std::fmt::Display for ModelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
