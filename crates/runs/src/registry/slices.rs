//! The dimensions by which the metrics of a run were computed.

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;

/// Lists the dimensions of the metrics of a run by slice, in their order. Empty for a run without such metrics.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_slice_dimensions(conn: &mut PgConnection, run_id: RunId) -> Result<Vec<String>, RunsError> {
    // all fields have the same dimensions
    let dimensions = sqlx::query_scalar!(
        r#"
        SELECT d.dimension ->> 'dimension' AS "dimension!"
        FROM (
            SELECT details FROM metrics
            WHERE run_id = $1 AND name = 'slices' AND jsonb_typeof(details -> 'dimensions') = 'array'
            ORDER BY id
            LIMIT 1
        ) m, jsonb_array_elements(m.details -> 'dimensions') WITH ORDINALITY AS d (dimension, rank)
        ORDER BY d.rank
        "#,
        run_id as RunId
    )
    .fetch_all(conn)
    .await?;
    Ok(dimensions)
}
