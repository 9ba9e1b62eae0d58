//! Errors of specs.

/// Why a spec is invalid, whatever the data.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// The model name is invalid.
    #[error(
        "invalid model name `{0}`: use lower-case letters, digits, `.`, `_`, `-`, starting with a letter or digit, at most 63 characters"
    )]
    ModelName(String),
    /// The name of the base model is invalid.
    #[error(
        "invalid base_model `{0}`: expected a name on Hugging Face such as `all-MiniLM-L6-v2`, `models:/NAME/NUMBER`, `s3://BUCKET/PREFIX` of a published version, or an absolute directory without `..`"
    )]
    BaseModel(String),
    /// A parameter of the kind is unknown or invalid.
    #[error("params: {0}")]
    BadParams(String),
    /// A requirement is invalid.
    #[error("invalid requirement `{0}`: expected NAME, NAME=VALUE or NAME>=NUMBER, such as gpu, zone=eu or memory>=32")]
    Requirement(String),
    /// The name of the queue is invalid.
    #[error(
        "invalid queue name `{0}`: use lower-case letters, digits, `.`, `_`, `-`, starting with a letter or digit, at most 63 characters"
    )]
    QueueName(String),
    /// A value is out of range.
    #[error("invalid `{key}`: {value}; it must be {rule}")]
    OutOfRange {
        /// Path of the key in the spec.
        key: &'static str,
        /// The given value.
        value: String,
        /// The allowed values.
        rule: &'static str,
    },
}

impl SpecError {
    /// Stable error code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadParams(_) => "bad_params",
            Self::ModelName(_) | Self::BaseModel(_) | Self::Requirement(_) | Self::QueueName(_) | Self::OutOfRange { .. } => "invalid_spec",
        }
    }
}
