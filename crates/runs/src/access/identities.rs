//! Identities of an OpenID Connect provider. Each is a row of `api_keys` without a secret, so sessions, audit log and approvals name it.

use std::time::Duration;

use aprendiz_db::{Scope, ensure_one_row};
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};
use uuid::Uuid;

use crate::access::api_keys::{ApiKey, IDENTITY_PREFIX};
use crate::access::audit::record_audit;
use crate::access::role::Role;
use crate::error::RunsError;
/// Maximum length of the part of a name that comes from the provider, in characters. With the prefix and the end of an id it fits into the
/// column.
const MAX_LABEL_CHARS: usize = 75;
/// Number of attempts to insert an identity while others take its name.
const MAX_INSERTS: usize = 5;

/// What a provider says about an identity, and the role and scope that follow from it.
#[derive(Debug, Clone)]
pub struct IdentityClaims<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// What the provider calls the identity, forever.
    pub subject: &'a str,
    /// Address, unless the provider says that it is not verified.
    pub email: Option<&'a str>,
    /// How people call it: its name here begins with it.
    pub label: &'a str,
    /// What it may do.
    pub role: Role,
    /// The projects in which it may do so.
    pub scope: Scope,
}

/// Finds an identity, revoked or not.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_identity(conn: &mut PgConnection, issuer: &str, subject: &str) -> Result<Option<ApiKey>, RunsError> {
    let found = sqlx::query_as!(
        ApiKey,
        r#"
        SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects, expires_at
        FROM api_keys
        WHERE issuer = $1 AND subject = $2
        "#,
        issuer,
        subject
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// Creates the identity unless it exists. An existing one stays as it is, with the role and the projects of its last sign-in.
///
/// # Errors
/// When Postgres does not answer; [`RunsError::IdentityRevoked`].
pub async fn register_identity(conn: &mut PgConnection, claims: &IdentityClaims<'_>) -> Result<ApiKey, RunsError> {
    let mut tx = conn.begin().await?;
    let identity = lock_or_insert(&mut tx, claims).await?;
    tx.commit().await?;
    Ok(identity)
}

/// Creates the identity, or updates its role, projects and address. All its sessions have the new ones.
///
/// # Errors
/// When Postgres does not answer; [`RunsError::IdentityRevoked`].
pub async fn sign_in_identity(conn: &mut PgConnection, claims: &IdentityClaims<'_>) -> Result<ApiKey, RunsError> {
    let mut tx = conn.begin().await?;
    let mut identity = lock_or_insert(&mut tx, claims).await?;
    if identity.role != claims.role || identity.scope() != claims.scope || identity.email.as_deref() != claims.email {
        let details = json!({
            "role": claims.role, "previous_role": identity.role, "email": claims.email,
            "projects": claims.scope.projects(), "previous_projects": identity.projects,
        });
        let updated = sqlx::query!(
            "UPDATE api_keys SET role = $2, email = $3, projects = $4 WHERE id = $1 AND revoked_at IS NULL",
            identity.id,
            claims.role as Role,
            claims.email,
            claims.scope.projects()
        )
        .execute(&mut *tx)
        .await?;
        ensure_one_row(&updated, || RunsError::IdentityRevoked(identity.name.clone()))?;
        record_audit(&mut tx, &identity.name, "identity.update", &identity.id.to_string(), &details).await?;
        identity.role = claims.role;
        identity.email = claims.email.map(str::to_owned);
        identity.projects = claims.scope.projects().map(<[String]>::to_vec);
    }
    tx.commit().await?;
    Ok(identity)
}

/// Locks the row of the identity, or inserts it.
async fn lock_or_insert(conn: &mut PgConnection, claims: &IdentityClaims<'_>) -> Result<ApiKey, RunsError> {
    for _ in 0..MAX_INSERTS {
        let found = sqlx::query_as!(
            ApiKey,
            r#"
            SELECT id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects, expires_at
            FROM api_keys
            WHERE issuer = $1 AND subject = $2
            FOR NO KEY UPDATE
            "#,
            claims.issuer,
            claims.subject
        )
        .fetch_optional(&mut *conn)
        .await?;
        match found {
            Some(identity) if identity.revoked_at.is_some() => return Err(RunsError::IdentityRevoked(identity.name)),
            Some(identity) => return Ok(identity),
            None => {}
        }
        if let Some(identity) = insert(conn, claims).await? {
            return Ok(identity);
        }
    }
    Err(RunsError::KeyNameTaken(name(claims.label)))
}

/// Inserts the identity; `None` if it was inserted meanwhile, or its name was taken. No revoked key has the name either, because the audit
/// log would show both under it.
async fn insert(conn: &mut PgConnection, claims: &IdentityClaims<'_>) -> Result<Option<ApiKey>, RunsError> {
    let id = Uuid::now_v7();
    let name = name(claims.label);
    let own_name = format!("{name} {}", &id.simple().to_string()[20..]);
    let inserted = sqlx::query_as!(
        ApiKey,
        r#"
        INSERT INTO api_keys (id, name, role, created_by, issuer, subject, email, projects)
        SELECT $1, CASE WHEN EXISTS (SELECT FROM api_keys WHERE name = $2) THEN $3 ELSE $2 END, $4, $5, $5, $6, $7, $8
        ON CONFLICT DO NOTHING
        RETURNING id, name, role AS "role: Role", created_at, created_by, revoked_at, issuer, subject, email, projects, expires_at
        "#,
        id,
        name,
        own_name,
        claims.role as Role,
        claims.issuer,
        claims.subject,
        claims.email,
        claims.scope.projects()
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(identity) = &inserted {
        let details = json!({
            "issuer": claims.issuer, "subject": claims.subject, "email": claims.email, "role": claims.role,
            "projects": claims.scope.projects(),
        });
        record_audit(conn, &identity.name, "identity.create", &id.to_string(), &details).await?;
    }
    Ok(inserted)
}

/// Name of an identity before it is made unique: a line of printable characters.
fn name(label: &str) -> String {
    let label: String = label.chars().filter(|char| !char.is_control()).take(MAX_LABEL_CHARS).collect();
    format!("{IDENTITY_PREFIX}{}", label.trim())
}

/// Ends the sessions of an identity to which the provider gives no role any more. Returns their number.
///
/// # Errors
/// When Postgres does not answer.
pub async fn end_sessions_of_identity(conn: &mut PgConnection, issuer: &str, subject: &str) -> Result<u64, RunsError> {
    let mut tx = conn.begin().await?;
    let Some(identity) = find_identity(&mut tx, issuer, subject).await? else {
        return Ok(0);
    };
    let ended = sqlx::query!("DELETE FROM web_sessions WHERE key_id = $1", identity.id).execute(&mut *tx).await?.rows_affected();
    if ended > 0 {
        let details = json!({ "sessions": ended, "reason": "the provider gives no role any more" });
        record_audit(&mut tx, &identity.name, "session.end_all", &identity.id.to_string(), &details).await?;
    }
    tx.commit().await?;
    Ok(ended)
}

/// Lets a revoked identity sign in again; its old sessions stay ended. Returns `false` when there is no revoked identity with this id; an API key stays revoked.
///
/// # Errors
/// When Postgres does not answer.
pub async fn restore_identity(conn: &mut PgConnection, id: Uuid, actor: &str) -> Result<bool, RunsError> {
    let mut tx = conn.begin().await?;
    let restored = sqlx::query_scalar!(
        "UPDATE api_keys SET revoked_at = NULL WHERE id = $1 AND issuer IS NOT NULL AND revoked_at IS NOT NULL RETURNING name",
        id
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(name) = &restored {
        // those of before the revocation, unless they were deleted already
        sqlx::query!("DELETE FROM web_sessions WHERE key_id = $1", id).execute(&mut *tx).await?;
        record_audit(&mut tx, actor, "identity.restore", &id.to_string(), &json!({ "name": name })).await?;
    }
    tx.commit().await?;
    Ok(restored.is_some())
}

/// Records that a sign-in has created a session. Returns `false` if it has already done so.
///
/// # Errors
/// When Postgres does not answer.
pub async fn mark_sign_in_used(conn: &mut PgConnection, flow_sha256: &str, lifetime: Duration) -> Result<bool, RunsError> {
    let marked = sqlx::query!(
        r#"
        INSERT INTO used_sign_ins (flow_sha256, expires_at) VALUES ($1, clock_timestamp() + make_interval(secs => $2::float8))
        ON CONFLICT DO NOTHING
        "#,
        flow_sha256,
        lifetime.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(marked.rows_affected() == 1)
}

/// Deletes the records of sign-ins that have expired. Returns their number.
///
/// # Errors
/// When Postgres does not answer.
pub async fn prune_used_sign_ins(conn: &mut PgConnection) -> Result<u64, RunsError> {
    let pruned = sqlx::query!("DELETE FROM used_sign_ins WHERE expires_at < clock_timestamp()").execute(conn).await?;
    Ok(pruned.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_line_with_the_prefix() {
        assert_eq!(name("ada@example.org"), "oidc:ada@example.org");
        assert_eq!(name("a\nd\u{0}a "), "oidc:ada");
        assert_eq!(name(&"é".repeat(400)).chars().count(), 80);
    }
}
