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
    /// When the key ends; null = it does not.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What a new key may do, and how long.
#[derive(Debug, Clone, Copy)]
pub struct ApiKeyGrant<'a> {
    /// Name of its owner.
    pub name: &'a str,
    /// What the key may do.
    pub role: Role,
    /// Where it may do that.
    pub scope: &'a Scope,
    /// When the key ends; `None` = it does not.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Beginning of the names of identities. No API key may have such a name, so no user passes for a key by changing an address.
pub const IDENTITY_PREFIX: &str = "oidc:";

/// Maximum length of the name of a key, in characters.
const MAX_NAME_CHARS: usize = 100;

/// Actor of commands that need no key.
pub const COMMAND_LINE: &str = "command line";

/// Checks the name of a new key. Returns it without surrounding white space.
///
/// # Errors
/// The reason, without the name.
pub fn check_key_name(name: &str) -> Result<&str, String> {
    let trimmed = name.trim();
    if trimmed.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control) {
        return Err(format!("expected 1 to {MAX_NAME_CHARS} characters without control characters"));
    }
    if trimmed == COMMAND_LINE {
        return Err("the audit log uses it for commands without a key".to_owned());
    }
    if trimmed.starts_with(IDENTITY_PREFIX) {
        return Err(format!("names of identities of the provider begin with `{IDENTITY_PREFIX}`"));
    }
    Ok(trimmed)
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
pub async fn create_api_key(conn: &mut PgConnection, grant: ApiKeyGrant<'_>, actor: &str) -> Result<NewApiKey, RunsError> {
    let ApiKeyGrant { name, role, scope, expires_at } = grant;
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| RunsError::NoRandomBytes(error.to_string()))?;
    let key = NewApiKey { id: Uuid::now_v7(), secret: format!("{PREFIX}{}", hex::encode(bytes)) };
    let mut tx = conn.begin().await?;
    let inserted = sqlx::query!(
        r#"
        INSERT INTO api_keys (id, name, role, key_sha256, created_by, projects, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
        "#,
        key.id,
        name,
        role as Role,
        hash(&key.secret),
        actor,
        scope.projects(),
        expires_at
    )
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(RunsError::KeyNameTaken(name.to_owned()));
    }
    let details = serde_json::json!({ "name": name, "role": role, "projects": scope.projects(), "expires_at": expires_at });
    record_audit(&mut tx, actor, "api_key.create", &key.id.to_string(), &details).await?;
    tx.commit().await?;
    Ok(key)
}

/// Finds the key of a secret; `None` when it is unknown or revoked.
///
/// # Errors
/// When Postgres does not answer; [`RunsError::KeyExpired`].
pub async fn authenticate(conn: &mut PgConnection, secret: &str) -> Result<Option<ApiKey>, RunsError> {
    let found = sqlx::query_as!(
        ApiKey,
        r#"
        SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects, expires_at
        FROM api_keys
        WHERE key_sha256 = $1 AND revoked_at IS NULL
        "#,
        hash(secret)
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(ApiKey { name, expires_at: Some(at), .. }) = &found else { return Ok(found) };
    // the clock of the database decides, as everywhere
    if sqlx::query_scalar!(r#"SELECT $1::timestamptz <= clock_timestamp() AS "has_expired!""#, at).fetch_one(conn).await? {
        return Err(RunsError::KeyExpired { name: name.clone(), at: *at });
    }
    Ok(found)
}

/// Finds a key by its id, revoked or not.
///
/// # Errors
/// When Postgres does not answer.
pub async fn get_api_key(conn: &mut PgConnection, id: Uuid) -> Result<Option<ApiKey>, RunsError> {
    let key = sqlx::query_as!(
        ApiKey,
        r#"
        SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects, expires_at
        FROM api_keys
        WHERE id = $1
        "#,
        id
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
        SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects, expires_at
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
        SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects, expires_at
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

/// Revokes a key, unless it is the last one that can manage keys. Returns `false` when it does not exist or was already revoked.
///
/// # Errors
/// When Postgres does not answer; [`RunsError::LastAdminKey`].
pub async fn revoke_api_key_but_the_last(conn: &mut PgConnection, id: Uuid, actor: &str) -> Result<bool, RunsError> {
    let mut tx = conn.begin().await?;
    // two revocations at once must not each count on the other key; in the order of ids, they wait for each other
    let admins = sqlx::query!(
        r#"
        SELECT id, name FROM api_keys
        WHERE role = 'admin' AND issuer IS NULL AND projects IS NULL AND revoked_at IS NULL
          AND (expires_at IS NULL OR expires_at > clock_timestamp())
        ORDER BY id
        FOR UPDATE
        "#
    )
    .fetch_all(&mut *tx)
    .await?;
    if let [last] = admins.as_slice()
        && last.id == id
    {
        return Err(RunsError::LastAdminKey(last.name.clone()));
    }
    let revoked = revoke_api_key(&mut tx, id, actor).await?;
    tx.commit().await?;
    Ok(revoked)
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
