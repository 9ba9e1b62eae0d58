//! Audit log: who changed what, and when.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::RunsError;

/// Records a change in the transaction that makes it.
///
/// # Errors
/// When Postgres does not answer.
pub async fn record_audit(conn: &mut PgConnection, actor: &str, action: &str, subject: &str, details: &Value) -> Result<(), RunsError> {
    // active keys have different names, so the name identifies the key at this time
    sqlx::query!(
        r#"
        INSERT INTO audit_log (actor, action, subject, details, key_id)
        VALUES ($1, $2, $3, $4, (SELECT id FROM api_keys WHERE name = $1 AND revoked_at IS NULL))
        "#,
        actor,
        action,
        subject,
        details
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One recorded change.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Id of the entry; increases with every entry.
    pub id: i64,
    /// When the change was made, by the database clock.
    pub at: DateTime<Utc>,
    /// Name of the API key or identity, or `command line` for commands that need no key.
    pub actor: String,
    /// Id of that key; null for the command line, and for entries of older releases.
    pub key_id: Option<Uuid>,
    /// Provider of the identity; null for an API key.
    pub issuer: Option<String>,
    /// What the provider calls the identity; null for an API key.
    pub issuer_subject: Option<String>,
    /// The action, for example `training_run.cancel`.
    pub action: String,
    /// What was changed: an id or a name.
    pub subject: String,
    /// Details that depend on the action.
    #[schema(value_type = Object)]
    pub details: Value,
}

/// Conditions of [`list_audit`]; all of them must hold.
#[derive(Debug, Default)]
pub struct AuditFilter {
    /// Only this actor.
    pub actor: Option<String>,
    /// Only this action; a trailing dot matches every action with that prefix, for example `training_run.`.
    pub action: Option<String>,
    /// Only changes of this subject.
    pub subject: Option<String>,
    /// Only changes at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only entries with a smaller id: the cursor of the list.
    pub after: Option<i64>,
}

/// Lists changes, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_audit(conn: &mut PgConnection, filter: &AuditFilter, limit: i64) -> Result<Vec<AuditEntry>, RunsError> {
    let entries = sqlx::query_as!(
        AuditEntry,
        r#"
        SELECT l.id, l.at, l.actor, l.key_id, k.issuer AS "issuer?", k.subject AS "issuer_subject?", l.action, l.subject, l.details
        FROM audit_log l
        LEFT JOIN api_keys k ON k.id = l.key_id
        WHERE ($1::text IS NULL OR l.actor = $1)
            AND ($2::text IS NULL OR l.action = $2 OR ($2 LIKE '%.' AND starts_with(l.action, $2)))
            AND ($3::text IS NULL OR l.subject = $3)
            AND ($4::timestamptz IS NULL OR l.at >= $4)
            AND ($5::bigint IS NULL OR l.id < $5)
        ORDER BY l.id DESC
        LIMIT $6
        "#,
        filter.actor.as_deref(),
        filter.action.as_deref(),
        filter.subject.as_deref(),
        filter.since,
        filter.after,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(entries)
}
