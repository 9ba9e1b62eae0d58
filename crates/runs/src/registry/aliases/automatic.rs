//! Automatic promotion: versions that wait for the gate, and what it decided.

use aprendiz_db::ensure_one_row;
use serde_json::Value;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::registry::aliases::change::{Promotion, lock_model, promote};

/// Actor of automatic promotions.
pub const AUTOMATIC_ACTOR: &str = "rule automatic";

/// Lists versions whose gate has not decided yet, as model and number, oldest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_gates_due(conn: &mut PgConnection, limit: i64) -> Result<Vec<(String, i32)>, RunsError> {
    let due = sqlx::query!("SELECT model, number FROM model_versions WHERE gate_due ORDER BY created_at, number LIMIT $1", limit)
        .fetch_all(conn)
        .await?;
    Ok(due.into_iter().map(|version| (version.model, version.number)).collect())
}

/// Records what the gate decided about a version, and promotes it if `promotion` is given. Nothing happens if the gate has decided before.
///
/// # Errors
/// [`RunsError::AliasChanged`] when the alias has changed since the gate compared: the gate must be asked again.
pub async fn record_automatic_gate(
    conn: &mut PgConnection,
    model: &str,
    number: i32,
    gate: Option<&Value>,
    promotion: Option<&Promotion<'_>>,
) -> Result<bool, RunsError> {
    let mut tx = conn.begin().await?;
    lock_model(&mut tx, model).await?;
    let due = sqlx::query_scalar!("SELECT gate_due FROM model_versions WHERE model = $1 AND number = $2", model, number)
        .fetch_optional(&mut *tx)
        .await?;
    if due != Some(true) {
        return Ok(false);
    }
    if let Some(promotion) = promotion {
        promote(&mut tx, promotion).await?;
    }
    let recorded = sqlx::query!(
        "UPDATE model_versions SET gate_due = false, gate = $3 WHERE model = $1 AND number = $2 AND gate_due",
        model,
        number,
        gate
    )
    .execute(&mut *tx)
    .await?;
    ensure_one_row(&recorded, || RunsError::UnknownVersion { model: model.to_owned(), number })?;
    tx.commit().await?;
    Ok(true)
}
