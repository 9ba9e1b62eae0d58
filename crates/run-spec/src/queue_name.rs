//! Names of queues.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::SpecError;
use crate::model_name::is_name;

/// Name of the queue of runs that name none.
const DEFAULT_QUEUE: &str = "default";

/// Name of a queue: lower-case letters, digits, `.`, `_`, `-`; starts with a letter or digit; at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "default", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
pub struct QueueName(String);

impl QueueName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the queue of runs that name none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT_QUEUE
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self(DEFAULT_QUEUE.to_owned())
    }
}

impl TryFrom<String> for QueueName {
    type Error = SpecError;

    fn try_from(name: String) -> Result<Self, SpecError> {
        if is_name(&name) { Ok(Self(name)) } else { Err(SpecError::QueueName(name)) }
    }
}

impl std::str::FromStr for QueueName {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        Self::try_from(name.to_owned())
    }
}

impl From<QueueName> for String {
    fn from(name: QueueName) -> Self {
        name.0
    }
}

impl std::fmt::Display for QueueName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
