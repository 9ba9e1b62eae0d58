//! Retirement of versions.

use aprendiz_db::ensure_one_row;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::registry::aliases::alias::list_aliases;
use crate::registry::aliases::change::{lock_model, remove_alias};
use crate::registry::versions::{ModelVersion, find_version};

/// Retires a version: it answers nothing any more and cannot be promoted. With `force`, the aliases that name it are removed. Retiring it
/// again changes nothing.
///
/// # Errors
/// [`RunsError::UnknownModel`], [`RunsError::UnknownVersion`], [`RunsError::VersionAliased`] without `force`.
pub async fn retire_version(
    conn: &mut PgConnection,
    model: &str,
    number: i32,
    force: bool,
    actor: &str,
    reason: &str,
) -> Result<ModelVersion, RunsError> {
    let mut tx = conn.begin().await?;
    lock_model(&mut tx, model).await?;
    let unknown = || RunsError::UnknownVersion { model: model.to_owned(), number };
    let version = find_version(&mut tx, model, Some(number)).await?.ok_or_else(unknown)?;
    if version.retired_at.is_some() {
        return Ok(version);
    }
    let aliases: Vec<String> =
        list_aliases(&mut tx, model).await?.into_iter().filter(|alias| alias.number == number).map(|alias| alias.alias).collect();
    if !aliases.is_empty() && !force {
        return Err(RunsError::VersionAliased { model: model.to_owned(), number, aliases: aliases.join(", ") });
    }
    for alias in aliases {
        remove_alias(&mut tx, model, &alias, None, actor, Some(reason)).await?;
    }
    let retired = sqlx::query!(
        r#"
        UPDATE model_versions
        SET retired_at = clock_timestamp(), retired_by = $3, retired_reason = $4, gate_due = false
        WHERE model = $1 AND number = $2 AND retired_at IS NULL
        "#,
        model,
        number,
        actor,
        reason
    )
    .execute(&mut *tx)
    .await?;
    ensure_one_row(&retired, unknown)?;
    record_audit(&mut tx, actor, "model.retire", &format!("{model}/{number}"), &json!({ "reason": reason, "force": force })).await?;
    let version = find_version(&mut tx, model, Some(number)).await?.ok_or_else(unknown)?;
    tx.commit().await?;
    Ok(version)
}
