//! API keys, whose secret is shown once and stored as a hash, and identities of an OpenID Connect provider, which have no secret.

use std::fmt;

use aprendiz_db::Scope;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::audit::record_audit;
use crate::access::role::Role;
use crate::error::RunsError;

const PREFIX: &str = "apz_";

/// An API key without its secret, or an identity of an OpenID Connect provider.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiKey {
    /// Id of the key.
    pub id: Uuid,
    /// Name of its owner, recorded as the actor of its requests.
    pub name: String,
    /// What the key may do.
    pub role: Role,
    /// When the key was created.
    pub created_at: DateTime<Utc>,
    /// Who created the key.
    pub created_by: String,
    /// When the key was revoked; null while it is valid.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Provider of an identity; null for an API key.
    pub issuer: Option<String>,
    /// What the provider calls the identity; null for an API key.
    pub subject: Option<String>,
    /// Address of an identity at its last sign-in.
    pub email: Option<String>,
    /// Projects that the key is limited to; null = all projects.
    pub projects: Option<Vec<String>>,
}

impl ApiKey {
    /// What the key may see and change.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new(self.projects.clone())
    }
}

/// A new key with its secret, which is shown once and never stored.
pub struct NewApiKey {
    /// Its id.
    pub id: Uuid,
    /// The secret, sent as a bearer token.
    pub secret: String,
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Creates a key with a secret of 256 random bits.
///
/// # Errors
/// When Postgres does not answer; [`RunsError::NoRandomBytes`]; [`RunsError::KeyNameTaken`] when an active key has the name.
pub async fn create_api_key(conn: &mut PgConnection, name: &str, role: Role, scope: &Scope, actor: &str) -> Result<NewApiKey, RunsError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| RunsError::NoRandomBytes(error.to_string()))?;
    let key = NewApiKey { id: Uuid::now_v7(), secret: format!("{PREFIX}{}", hex::encode(bytes)) };
    let mut tx = conn.begin().await?;
    let inserted = sqlx::query!(
        r#"
        INSERT INTO api_keys (id, name, role, key_sha256, created_by, projects) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
        "#,
        key.id,
        name,
        role as Role,
        hash(&key.secret),
        actor,
        scope.projects()
    )
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(RunsError::KeyNameTaken(name.to_owned()));
    }
    let details = serde_json::json!({ "name": name, "role": role, "projects": scope.projects() });
    record_audit(&mut tx, actor, "api_key.create", &key.id.to_string(), &details).await?;
    tx.commit().await?;
    Ok(key)
}

/// Finds the key of a secret; `None` when it is unknown or revoked.
///
/// # Errors
/// When Postgres does not answer.
pub async fn authenticate(conn: &mut PgConnection, secret: &str) -> Result<Option<ApiKey>, RunsError> {
    let key = sqlx::query_as!(
        ApiKey,
        r#"
        SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects
        FROM api_keys
        WHERE key_sha256 = $1 AND revoked_at IS NULL
        "#,
        hash(secret)
    )
    .fetch_optional(conn)
    .await?;
    Ok(key)
}

/// Lists all keys, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_api_keys(conn: &mut PgConnection) -> Result<Vec<ApiKey>, RunsError> {
    let keys = sqlx::query_as!(
        ApiKey,
        r#"
        SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects
        FROM api_keys
        ORDER BY created_at DESC, id DESC
        "#
    )
    .fetch_all(conn)
    .await?;
    Ok(keys)
}

/// Finds an active key by its id or its name.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_active_api_key(conn: &mut PgConnection, id_or_name: &str) -> Result<Option<ApiKey>, RunsError> {
    let key = sqlx::query_as!(
        ApiKey,
        r#"
        SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects
        FROM api_keys
        WHERE revoked_at IS NULL AND (id = $1 OR name = $2)
        ORDER BY id = $1 DESC NULLS LAST
        LIMIT 1
        "#,
        id_or_name.parse::<Uuid>().ok(),
        id_or_name
    )
    .fetch_optional(conn)
    .await?;
    Ok(key)
}

/// Revokes a key. Returns `false` when it does not exist or was already revoked.
///
/// # Errors
/// When Postgres does not answer.
pub async fn revoke_api_key(conn: &mut PgConnection, id: Uuid, actor: &str) -> Result<bool, RunsError> {
    let mut tx = conn.begin().await?;
    let revoked =
        sqlx::query_scalar!("UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL RETURNING name", id)
            .fetch_optional(&mut *tx)
            .await?;
    if let Some(name) = &revoked {
        record_audit(&mut tx, actor, "api_key.revoke", &id.to_string(), &serde_json::json!({ "name": name })).await?;
    }
    tx.commit().await?;
    Ok(revoked.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let key = NewApiKey { id: Uuid::nil(), secret: "apz_secret".to_owned() };
        assert!(!format!("{key:?}").contains("apz_secret"));
    }
}
