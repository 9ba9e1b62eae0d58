//! The error of reading and declaring. The importer has its own: [`crate::import::ImportError`].

/// Why a statement about documents or fields did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AnnotationsError {
    /// Postgres did not answer or refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The definition of a field breaks a rule.
    #[error("field `{field}`: {reason}")]
    InvalidDefinition {
        /// Name as it was given.
        field: String,
        /// Which rule, and what would be right.
        reason: String,
    },
}
