//! Versions of the text of a document.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::AnnotationsError;

/// A version of the text of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TextVersion {
    /// Number of the version, from 1.
    pub version: i32,
    /// Length in characters.
    pub characters: i32,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Snapshots at this position or later use this version.
    pub position: i64,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
}

/// Lists the versions of the text of a document, the latest one last.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn list_text_versions(conn: &mut PgConnection, id: Uuid) -> Result<Vec<TextVersion>, AnnotationsError> {
    let versions = sqlx::query_as!(
        TextVersion,
        r#"
        SELECT version, length(text) AS "characters!", sha256, position, created_at
        FROM document_texts
        WHERE document_id = $1
        ORDER BY version
        "#,
        id
    )
    .fetch_all(conn)
    .await?;
    Ok(versions)
}

/// A text and the SHA-256 of it, lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredText {
    /// The text.
    pub text: String,
    /// Its hash.
    pub sha256: String,
}

/// Reads a version of the text of a document, or the latest one; `None` if there is none.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn get_text(conn: &mut PgConnection, id: Uuid, version: Option<i32>) -> Result<Option<StoredText>, AnnotationsError> {
    let text = sqlx::query_as!(
        StoredText,
        r#"
        SELECT text, sha256
        FROM document_texts
        WHERE document_id = $1 AND ($2::int IS NULL OR version = $2)
        ORDER BY version DESC
        LIMIT 1
        "#,
        id,
        version
    )
    .fetch_optional(conn)
    .await?;
    Ok(text)
}
