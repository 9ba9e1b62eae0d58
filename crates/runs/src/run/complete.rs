//! Completion of a run: success.

use aprendiz_db::ensure_one_row;
use serde_json::json;
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::AttemptId;
use crate::run::attempt_end::end_attempt;
use crate::run::event::append;
use crate::run::status::{AttemptStatus, EventKind};
use crate::run::sweep::wakeup::wake_sweep;

/// Completes a run successfully. The caller holds the lock of the attempt, has checked that cancellation was not requested, and has written
/// the results: a model version for a training run, none for a dataset-only run, one that evaluates or predicts, a sweep or its trials, or a run that verifies
/// a version.
///
/// # Errors
/// [`RunsError::BrokenRow`] when the results do not match the kind of the run.
pub(crate) async fn complete_run(conn: &mut PgConnection, attempt: AttemptId) -> Result<(), RunsError> {
    end_attempt(conn, attempt, AttemptStatus::Succeeded, None).await?;
    let completed = sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'succeeded', phase = NULL, progress = NULL, finished_at = clock_timestamp()
        WHERE id = $1 AND attempt_number = $2 AND status = 'running'
            -- a training run succeeds with its model version, the others without one
            AND (
                dataset_only OR kind IN ('evaluate', 'predict', 'sweep') OR verifies_version_id IS NOT NULL
                OR EXISTS (SELECT FROM sweep_children c WHERE c.run_id = training_runs.id AND c.role = 'trial')
            ) <> EXISTS (SELECT FROM model_versions v WHERE v.run_id = training_runs.id)
        "#,
        attempt.run_id as RunId,
        attempt.number
    )
    .execute(&mut *conn)
    .await?;
    ensure_one_row(&completed, || RunsError::BrokenRow {
        table: "training_runs",
        id: attempt.run_id.to_string(),
        what: "a training run is completed with a model version, the others without one".to_owned(),
    })?;
    append(conn, attempt.run_id, Some(attempt.number), EventKind::State, &json!({ "status": "succeeded" })).await?;
    append(conn, attempt.run_id, Some(attempt.number), EventKind::End, &json!({ "status": "succeeded" })).await?;
    wake_sweep(conn, attempt.run_id).await
}
