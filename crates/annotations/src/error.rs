//! Error of reading documents and declaring fields.

/// Error of reading documents and declaring fields. Imports have [`crate::import::ImportError`], reviews
/// [`crate::reviews::ReviewError`].
#[derive(Debug, thiserror::Error)]
pub enum AnnotationsError {
    /// Postgres is unavailable or rejected the statement.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The definition of a field is invalid.
    #[error("field `{field}`: {reason}")]
    InvalidDefinition {
        /// Name as given.
        field: String,
        /// The rule that is broken, and how to satisfy it.
        reason: String,
    },
    /// The definition of a field has another version than the one to change.
    #[error("field `{field}` was declared meanwhile: its definition has version {version} (0 = it does not exist); read it and try again")]
    StaleDefinition {
        /// Name of the field.
        field: String,
        /// Its current version.
        version: i32,
    },
    /// A row that the transaction has just written is missing.
    #[error("the field `{0}` is missing although it was just written")]
    MissingField(String),
}
