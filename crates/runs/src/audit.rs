//! Who changed what.

use serde_json::Value;
use sqlx::PgConnection;

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
