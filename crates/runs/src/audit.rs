//! Who changed what.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;

/// Records a change in the transaction that makes it.
///
/// # Errors
/// When Postgres does not answer.
pub async fn record_audit(conn: &mut PgConnection, actor: &str, action: &str, subject: &str, details: &Value) -> Result<(), RunsError> {
    sqlx::query!("INSERT INTO audit_log (actor, action, subject, details) VALUES ($1, $2, $3, $4)", actor, action, subject, details)
        .execute(conn)
        .await?;
    Ok(())
}

/// A change that someone made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Rises with every entry.
    pub id: i64,
    /// When, by the database clock.
    pub at: DateTime<Utc>,
    /// Name of the key, or `command line` for what needs no key.
    pub actor: String,
    /// What was done, for example `training_run.cancel`.
    pub action: String,
    /// To what: an id or a name.
    pub subject: String,
    /// What else there is to know, by action.
    #[schema(value_type = Object)]
    pub details: Value,
}

/// Conditions of [`list_audit`]; all given ones must hold.
#[derive(Debug, Default)]
pub struct AuditFilter {
    /// Only this actor.
    pub actor: Option<String>,
    /// Only this action; one that ends with a point means all that begin with it, for example `training_run.`.
    pub action: Option<String>,
    /// Only changes of this thing.
    pub subject: Option<String>,
    /// Only from this time on.
    pub since: Option<DateTime<Utc>>,
    /// Only entries before this id, in the order of the list.
    pub after: Option<i64>,
}

/// Changes, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_audit(conn: &mut PgConnection, filter: &AuditFilter, limit: i64) -> Result<Vec<AuditEntry>, RunsError> {
    let entries = sqlx::query_as!(
        AuditEntry,
        r#"
        SELECT id, at, actor, action, subject, details
        FROM audit_log
        WHERE ($1::text IS NULL OR actor = $1)
            AND ($2::text IS NULL OR action = $2 OR ($2 LIKE '%.' AND starts_with(action, $2)))
            AND ($3::text IS NULL OR subject = $3)
            AND ($4::timestamptz IS NULL OR at >= $4)
            AND ($5::bigint IS NULL OR id < $5)
        ORDER BY id DESC
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
