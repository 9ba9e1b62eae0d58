//! Wakes a waiting sweep when one of its children ends.

use aprendiz_db::ensure_one_row;
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::outbox::enqueue_outbox;
use crate::run::status::RunStatus;
use crate::run::training_run::lock_run;

/// Makes the sweep of a run claimable, if the run is a child of one that waits. Called in the transaction that ends the run.
///
/// The sweep is locked whatever its status. A worker that has claimed it and has not read its children yet thus waits for this
/// transaction, and sees this end.
pub(crate) async fn wake_sweep(conn: &mut PgConnection, child: RunId) -> Result<(), RunsError> {
    let sweep = sqlx::query_scalar!(r#"SELECT sweep_id AS "sweep_id: RunId" FROM sweep_children WHERE run_id = $1"#, child as RunId)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(sweep) = sweep else { return Ok(()) };
    if lock_run(&mut *conn, sweep).await? != RunStatus::Queued {
        return Ok(());
    }
    let woken = sqlx::query!(
        "UPDATE training_runs SET run_after = least(run_after, clock_timestamp()) WHERE id = $1 AND status = 'queued'",
        sweep as RunId
    )
    .execute(&mut *conn)
    .await?;
    ensure_one_row(&woken, || RunsError::UnknownRun(sweep))?;
    enqueue_outbox(conn, sweep).await
}
