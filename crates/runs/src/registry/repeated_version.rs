//! Finds the earlier version of a model that was trained with the same spec on the same data.

use serde_json::Value;
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::registry::new_version::NewModelVersion;

/// File of the weights, for all kinds of models.
const WEIGHTS_FILE: &str = "model.safetensors";

/// Describes the latest earlier version with the same data and spec; `None` if there is none. Keys of the spec that do not influence the
/// result, such as the priority, may differ.
pub(super) async fn describe_repetition(
    conn: &mut PgConnection,
    run_id: RunId,
    number: i32,
    version: &NewModelVersion<'_>,
) -> Result<Option<String>, RunsError> {
    let Some(dataset_hash) = version.card["dataset_hash"].as_str() else { return Ok(None) };
    let earlier = sqlx::query!(
        r#"
        SELECT v.number, v.files
        FROM model_versions v
        JOIN training_runs r ON r.id = v.run_id
        JOIN training_runs own ON own.id = $4
        WHERE v.model = $1 AND v.number < $2 AND v.card ->> 'dataset_hash' = $3 AND r.kind = own.kind
            AND (r.spec - '{priority,run_after,max_attempts}'::text[]) #- '{data,as_of}'
                = (own.spec - '{priority,run_after,max_attempts}'::text[]) #- '{data,as_of}'
        ORDER BY v.number DESC
        LIMIT 1
        "#,
        version.model,
        number,
        dataset_hash,
        run_id as RunId
    )
    .fetch_optional(conn)
    .await?;
    Ok(earlier.map(|earlier| {
        let weights = match (weights_hash(version.files), weights_hash(&earlier.files)) {
            (Some(own), Some(other)) if own == other => ", and its weights are equal",
            (Some(_), Some(_)) => ", but other weights",
            _ => "",
        };
        format!("same data and spec as version {}{weights}", earlier.number)
    }))
}

/// The hash of the weights in a list of files.
fn weights_hash(files: &Value) -> Option<&str> {
    files.as_array()?.iter().find(|file| file["path"] == WEIGHTS_FILE)?["sha256"].as_str()
}
