//! Sessions of the web interface: a browser that signed in with an API key or with an identity. The token is in its cookie; only a hash is
//! stored.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::api_keys::ApiKey;
use crate::access::audit::record_audit;
use crate::access::role::Role;
use crate::error::RunsError;

/// Maximum number of sessions of one key. A sign-in beyond it ends those that were not used for the longest time.
const MAX_SESSIONS_PER_KEY: i64 = 100;
/// Maximum length of a stored user agent, in characters.
const MAX_USER_AGENT_CHARS: usize = 200;
/// Interval at which the last use of a session is written.
const USE_INTERVAL: Duration = Duration::from_secs(60);

/// A session, without its token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebSession {
    /// Id of the session.
    pub id: Uuid,
    /// Id of the API key that signed in.
    pub key_id: Uuid,
    /// Name of that key, the actor of the requests.
    pub key_name: String,
    /// What the key may do.
    pub role: Role,
    /// When the key signed in.
    pub created_at: DateTime<Utc>,
    /// When the session was last used, within a minute.
    pub last_used_at: DateTime<Utc>,
    /// When the session ends: at its absolute expiry, or earlier if it is not used.
    pub expires_at: DateTime<Utc>,
    /// Beginning of the user agent at sign-in.
    pub user_agent: Option<String>,
    /// Address of the client at sign-in.
    pub address: Option<String>,
    /// Whether it is the session of this request.
    pub is_current: bool,
}

/// A browser that signs in.
#[derive(Debug, Default)]
pub struct NewWebSession<'a> {
    /// Its header `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// Its address.
    pub address: Option<String>,
    /// Time until the absolute expiry.
    pub lifetime: Duration,
    /// Token of the session that the browser had before. It ends.
    pub replaced: Option<&'a str>,
}

/// A new session with its token, which is sent once and never stored.
pub struct CreatedWebSession {
    /// Id of the session.
    pub id: Uuid,
    /// Value of the cookie.
    pub token: String,
    /// Absolute expiry.
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for CreatedWebSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedWebSession").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A session that a token belongs to, with its key.
#[derive(Debug, Clone)]
pub struct AuthenticatedSession {
    /// Id of the session.
    pub id: Uuid,
    /// The key that signed in.
    pub key: ApiKey,
    /// Absolute expiry.
    pub expires_at: DateTime<Utc>,
    /// Whether this use should be written with [`touch_web_session`].
    pub is_use_due: bool,
}

/// Conditions of [`list_web_sessions`].
#[derive(Debug)]
pub struct WebSessionFilter {
    /// Only sessions of this key.
    pub key_id: Option<Uuid>,
    /// The session of the request.
    pub current: Option<Uuid>,
    /// Only sessions after this one in the order of the list.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Signs a key in: creates a session with a token of 256 random bits, and ends the one that the browser had before.
///
/// The session ends with the key at the latest. Returns `None` when the key was revoked or has expired meanwhile.
///
/// # Errors
/// When Postgres does not answer; [`RunsError::NoRandomBytes`].
pub async fn create_web_session(
    conn: &mut PgConnection,
    key: &ApiKey,
    session: &NewWebSession<'_>,
) -> Result<Option<CreatedWebSession>, RunsError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| RunsError::NoRandomBytes(error.to_string()))?;
    let (id, token) = (Uuid::now_v7(), hex::encode(bytes));
    let user_agent = session.user_agent.map(|text| text.chars().take(MAX_USER_AGENT_CHARS).collect::<String>());
    let mut tx = conn.begin().await?;
    // sign-ins of one key count their sessions one after the other
    let is_active = sqlx::query_scalar!(
        r#"
        SELECT id FROM api_keys
        WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
        FOR NO KEY UPDATE
        "#,
        key.id
    )
    .fetch_optional(&mut *tx)
    .await?;
    if is_active.is_none() {
        return Ok(None);
    }
    if let Some(replaced) = session.replaced {
        sqlx::query!("DELETE FROM web_sessions WHERE token_sha256 = $1", hash(replaced)).execute(&mut *tx).await?;
    }
    let expires_at = sqlx::query_scalar!(
        r#"
        INSERT INTO web_sessions (id, token_sha256, key_id, expires_at, user_agent, address)
        SELECT $1, $2, k.id, least(clock_timestamp() + make_interval(secs => $4::float8), k.expires_at), $5, $6
        FROM api_keys k
        WHERE k.id = $3
        RETURNING expires_at
        "#,
        id,
        hash(&token),
        key.id,
        session.lifetime.as_secs_f64(),
        user_agent,
        session.address
    )
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        DELETE FROM web_sessions WHERE id IN (
            SELECT id FROM web_sessions WHERE key_id = $1 ORDER BY id = $2 DESC, last_used_at DESC, id DESC OFFSET $3
        )
        "#,
        key.id,
        id,
        MAX_SESSIONS_PER_KEY
    )
    .execute(&mut *tx)
    .await?;
    let details = json!({ "address": session.address, "user_agent": user_agent });
    record_audit(&mut tx, &key.name, "session.create", &id.to_string(), &details).await?;
    tx.commit().await?;
    Ok(Some(CreatedWebSession { id, token, expires_at }))
}

/// Finds the session of a token; `None` when it is unknown, has ended, was not used for `idle`, or its key was revoked.
///
/// # Errors
/// When Postgres does not answer.
pub async fn authenticate_web_session(
    conn: &mut PgConnection,
    token: &str,
    idle: Duration,
) -> Result<Option<AuthenticatedSession>, RunsError> {
    let found = sqlx::query!(
        r#"
        SELECT s.id AS session_id, s.expires_at,
            s.last_used_at < clock_timestamp() - make_interval(secs => $3::float8) AS "is_use_due!",
            k.id, k.name, k.role AS "role: Role", k.created_at, k.created_by, k.revoked_at,
            k.issuer, k.subject, k.email, k.projects, k.expires_at AS key_expires_at
        FROM web_sessions s
        JOIN api_keys k ON k.id = s.key_id
        WHERE s.token_sha256 = $1
            AND k.revoked_at IS NULL
            AND s.expires_at > clock_timestamp()
            AND s.last_used_at > clock_timestamp() - make_interval(secs => $2::float8)
        "#,
        hash(token),
        idle.as_secs_f64(),
        USE_INTERVAL.min(idle / 4).as_secs_f64()
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| AuthenticatedSession {
        id: row.session_id,
        key: ApiKey {
            id: row.id,
            name: row.name,
            role: row.role,
            created_at: row.created_at,
            created_by: row.created_by,
            revoked_at: row.revoked_at,
            issuer: row.issuer,
            subject: row.subject,
            email: row.email,
            projects: row.projects,
            expires_at: row.key_expires_at,
        },
        expires_at: row.expires_at,
        is_use_due: row.is_use_due,
    }))
}

/// Writes the use of a session. Returns `false` when it has ended meanwhile.
///
/// # Errors
/// When Postgres does not answer.
pub async fn touch_web_session(conn: &mut PgConnection, id: Uuid) -> Result<bool, RunsError> {
    let touched = sqlx::query!("UPDATE web_sessions SET last_used_at = greatest(last_used_at, clock_timestamp()) WHERE id = $1", id)
        .execute(conn)
        .await?;
    Ok(touched.rows_affected() == 1)
}

/// Lists the sessions that have not ended, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_web_sessions(
    conn: &mut PgConnection,
    filter: &WebSessionFilter,
    idle: Duration,
    limit: i64,
) -> Result<Vec<WebSession>, RunsError> {
    let (after_at, after_id) = filter.after.unzip();
    let sessions = sqlx::query_as!(
        WebSession,
        r#"
        SELECT s.id, k.id AS key_id, k.name AS key_name, k.role AS "role: Role", s.created_at, s.last_used_at,
            least(s.expires_at, s.last_used_at + make_interval(secs => $1::float8)) AS "expires_at!",
            s.user_agent, s.address, s.id IS NOT DISTINCT FROM $2::uuid AS "is_current!"
        FROM web_sessions s
        JOIN api_keys k ON k.id = s.key_id
        WHERE ($3::uuid IS NULL OR s.key_id = $3)
            AND k.revoked_at IS NULL
            AND s.expires_at > clock_timestamp()
            AND s.last_used_at > clock_timestamp() - make_interval(secs => $1::float8)
            AND ($4::timestamptz IS NULL OR (s.created_at, s.id) < ($4, $5::uuid))
        ORDER BY s.created_at DESC, s.id DESC
        LIMIT $6
        "#,
        idle.as_secs_f64(),
        filter.current,
        filter.key_id,
        after_at,
        after_id,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(sessions)
}

/// Signs a session out. Returns `false` when it has ended already.
///
/// # Errors
/// When Postgres does not answer.
pub async fn end_web_session(conn: &mut PgConnection, id: Uuid, actor: &str) -> Result<bool, RunsError> {
    delete(conn, id, None, actor, "session.end").await
}

/// Revokes a session, only of this key if one is named. Returns `false` when there is none.
///
/// # Errors
/// When Postgres does not answer.
pub async fn revoke_web_session(conn: &mut PgConnection, id: Uuid, key_id: Option<Uuid>, actor: &str) -> Result<bool, RunsError> {
    delete(conn, id, key_id, actor, "session.revoke").await
}

async fn delete(conn: &mut PgConnection, id: Uuid, key_id: Option<Uuid>, actor: &str, action: &str) -> Result<bool, RunsError> {
    let mut tx = conn.begin().await?;
    let key = sqlx::query_scalar!(
        r#"
        DELETE FROM web_sessions s USING api_keys k
        WHERE s.id = $1 AND k.id = s.key_id AND ($2::uuid IS NULL OR s.key_id = $2)
        RETURNING k.name
        "#,
        id,
        key_id
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(key) = &key {
        record_audit(&mut tx, actor, action, &id.to_string(), &json!({ "key": key })).await?;
    }
    tx.commit().await?;
    Ok(key.is_some())
}

/// Ends all sessions of a key and returns their number.
///
/// # Errors
/// When Postgres does not answer.
pub async fn end_all_web_sessions(conn: &mut PgConnection, key: &ApiKey) -> Result<u64, RunsError> {
    let mut tx = conn.begin().await?;
    let ended = sqlx::query!("DELETE FROM web_sessions WHERE key_id = $1", key.id).execute(&mut *tx).await?.rows_affected();
    if ended > 0 {
        record_audit(&mut tx, &key.name, "session.end_all", &key.id.to_string(), &json!({ "sessions": ended })).await?;
    }
    tx.commit().await?;
    Ok(ended)
}

/// Deletes sessions that have expired, were not used for `idle`, or whose key was revoked. Returns their number.
///
/// # Errors
/// When Postgres does not answer.
pub async fn prune_web_sessions(conn: &mut PgConnection, idle: Duration) -> Result<u64, RunsError> {
    let pruned = sqlx::query!(
        r#"
        DELETE FROM web_sessions s USING api_keys k
        WHERE k.id = s.key_id
            AND (
                k.revoked_at IS NOT NULL
                OR s.expires_at <= clock_timestamp()
                OR s.last_used_at <= clock_timestamp() - make_interval(secs => $1::float8)
            )
        "#,
        idle.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(pruned.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let session = CreatedWebSession { id: Uuid::nil(), token: "token".to_owned(), expires_at: DateTime::UNIX_EPOCH };
        assert!(!format!("{session:?}").contains("token"), "{session:?}");
    }
}
