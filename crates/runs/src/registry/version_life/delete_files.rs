//! Deletion of the files of a retired version to which nothing refers. Its row, hashes, metrics and history stay.

use aprendiz_db::ensure_one_row;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::ids::{ModelVersionId, RunId};
use crate::registry::aliases::change::lock_model;
use crate::registry::versions::{ModelVersion, find_version};

/// Marks the files of a version for deletion; the sweeper deletes the bytes. Repeating it changes nothing.
///
/// Refused while something refers to the version: it is not retired, an alias names it, a promotion of it waits for approval, a run that
/// has not ended reads its files, or a version that was trained from it still has files.
///
/// # Errors
/// [`RunsError::UnknownModel`], [`RunsError::UnknownVersion`], [`RunsError::VersionInUse`]; [`RunsError::BrokenRow`] if the version has no
/// objects.
pub async fn delete_version_files(
    conn: &mut PgConnection,
    model: &str,
    number: i32,
    actor: &str,
    reason: &str,
) -> Result<ModelVersion, RunsError> {
    let mut tx = conn.begin().await?;
    // promotions lock the row of the model too, so that no alias appears after the check
    lock_model(&mut tx, model).await?;
    let unknown = || RunsError::UnknownVersion { model: model.to_owned(), number };
    let version = find_version(&mut tx, model, Some(number)).await?.ok_or_else(unknown)?;
    if version.files_deleted_at.is_some() {
        return Ok(version);
    }
    let references = list_references(&mut tx, &version).await?;
    if !references.is_empty() {
        return Err(RunsError::VersionInUse { model: model.to_owned(), number, references });
    }
    let marked = sqlx::query!(
        r#"
        UPDATE model_versions
        SET files_deleted_at = clock_timestamp(), files_deleted_by = $2, files_deleted_reason = $3
        WHERE id = $1 AND files_deleted_at IS NULL AND retired_at IS NOT NULL
        "#,
        version.id as ModelVersionId,
        actor,
        reason
    )
    .execute(&mut *tx)
    .await?;
    ensure_one_row(&marked, unknown)?;
    let objects = sqlx::query!(
        r#"
        UPDATE objects
        SET state = 'deleting'
        WHERE run_id = $1 AND attempt_number = $2 AND dataset_id IS NULL AND starts_with(key, $3) AND state = 'live'
        "#,
        version.run_id as RunId,
        version.attempt_number,
        format!("{}/", version.object_prefix)
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if objects == 0 {
        let what = format!("it has no live objects below {}", version.object_prefix);
        return Err(RunsError::BrokenRow { table: "model_versions", id: version.id.to_string(), what });
    }
    let details = json!({ "reason": reason, "objects": objects });
    record_audit(&mut tx, actor, "model.delete_files", &format!("{model}/{number}"), &details).await?;
    let version = find_version(&mut tx, model, Some(number)).await?.ok_or_else(unknown)?;
    tx.commit().await?;
    Ok(version)
}

/// What needs the files of a version, in sentences. The caller holds the lock of the model.
async fn list_references(conn: &mut PgConnection, version: &ModelVersion) -> Result<Vec<String>, RunsError> {
    let mut references = Vec::new();
    if version.retired_at.is_none() {
        references.push("it is not retired".to_owned());
    }
    references.extend(version.aliases.iter().map(|alias| format!("the alias {alias} names it")));
    let requests = sqlx::query_scalar!(
        "SELECT id FROM promotion_requests WHERE model = $1 AND number = $2 AND state = 'pending' ORDER BY id",
        version.model,
        version.number
    )
    .fetch_all(&mut *conn)
    .await?;
    references.extend(requests.into_iter().map(|id| format!("promotion request {id} waits for approval")));
    references.extend(list_runs_that_read(&mut *conn, version).await?);
    let derived = sqlx::query!(
        r#"
        SELECT model, number
        FROM model_versions
        WHERE card -> 'base_model' -> 'version' @> jsonb_build_object('model', $1::text, 'number', $2::int) AND files_deleted_at IS NULL
        ORDER BY model COLLATE "C", number
        "#,
        version.model,
        version.number
    )
    .fetch_all(conn)
    .await?;
    references.extend(derived.into_iter().map(|row| format!("{} version {} was trained from it", row.model, row.number)));
    Ok(references)
}

/// Runs that have not ended and whose spec names the version: as `models:/NAME/NUMBER` or `s3://BUCKET/PREFIX` anywhere, or as the pair of
/// a model and a number in `model_version`.
async fn list_runs_that_read(conn: &mut PgConnection, version: &ModelVersion) -> Result<Vec<String>, RunsError> {
    let runs = sqlx::query!(
        r#"
        SELECT id AS "id: RunId", status::text AS "status!"
        FROM training_runs
        WHERE status IN ('queued', 'retrying', 'running', 'cancelling')
            AND (
                jsonb_path_exists(spec, '$.** ? (@ == $name)', jsonb_build_object('name', $3::text))
                OR right(spec ->> 'base_model', length($4::text) + 1) = '/' || $4::text
                OR spec -> 'model_version' @> jsonb_build_object('model', $1::text, 'number', $2::int)
                OR model = $1 AND spec ->> 'model_version' = $2::int::text
            )
        ORDER BY id
        "#,
        version.model,
        version.number,
        format!("models:/{}/{}", version.model, version.number),
        version.object_prefix
    )
    .fetch_all(conn)
    .await?;
    Ok(runs.into_iter().map(|run| format!("run {}, which is {}, reads it", run.id, run.status)).collect())
}
