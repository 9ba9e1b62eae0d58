//! Advances a sweep: creates the runs that are missing, and gives the slot back until one of them ends.

use std::time::Duration;

use aprendiz_db::ensure_one_row;
use aprendiz_run_spec::{SweepParams, Trial, ValidatedSpec};
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::{AttemptId, Failure};
use crate::run::complete::complete_run;
use crate::run::create::{CreateRun, create_run};
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::release::requeue_released;
use crate::run::status::{EventKind, RunStatus, SweepRole};
use crate::run::sweep::child::{SweepChild, list_sweep_children};
use crate::run::sweep::decision::{Decision, decide};
use crate::run::training_run::TrainingRun;

/// A waiting sweep becomes claimable after this time, in case the end of a child did not wake it.
const RECHECK_INTERVAL: Duration = Duration::from_secs(300);

/// Result of [`advance_sweep`].
#[derive(Debug, Clone)]
pub enum SweepStep {
    /// Children have to end first. The attempt has been released; the sweep is claimed again when one of them ends.
    Waiting,
    /// The winner has published its version, and the sweep has succeeded.
    Succeeded,
    /// The sweep cannot succeed; the caller records this failure.
    Failed(Failure),
}

/// Advances a claimed sweep by one step, in one transaction. Children are created under the lock of the sweep, so none is created twice.
///
/// # Errors
/// [`RunsError::LeaseLost`]; [`RunsError::CancelRequested`] when cancellation was requested.
pub async fn advance_sweep(
    conn: &mut PgConnection,
    attempt: AttemptId,
    sweep: &TrainingRun,
    spec: &ValidatedSpec,
    params: &SweepParams,
) -> Result<SweepStep, RunsError> {
    let mut tx = conn.begin().await?;
    if lock_attempt(&mut tx, attempt).await? == RunStatus::Cancelling {
        return Err(RunsError::CancelRequested { run_id: attempt.run_id, number: attempt.number });
    }
    let children = list_sweep_children(&mut tx, attempt.run_id, params.metric().as_str()).await?;
    let step = match decide(params, &children) {
        Decision::Failed(failure) => return Ok(SweepStep::Failed(failure)),
        Decision::Succeeded => {
            link_dataset(&mut tx, attempt, &children).await?;
            complete_run(&mut tx, attempt).await?;
            SweepStep::Succeeded
        }
        Decision::Trials { rung, numbers } => {
            for trial in numbers.iter().filter_map(|number| find_trial(params, *number)) {
                create_child(&mut tx, sweep, spec, params, SweepRole::Trial, rung, trial).await?;
            }
            await_children(&mut tx, attempt).await?;
            SweepStep::Waiting
        }
        Decision::Winner(number) => {
            let trial = find_trial(params, number).ok_or_else(|| RunsError::BrokenRow {
                table: "sweep_children",
                id: attempt.run_id.to_string(),
                what: format!("the sweep has no trial {number}"),
            })?;
            let value = children.iter().rev().find(|child| u32::try_from(child.trial) == Ok(number)).and_then(|child| child.value);
            let value = value.map(|value| format!(", {} {value:.4}", params.metric())).unwrap_or_default();
            let text = format!("trial {number} is the best ({}{value}): it is trained in full and published", trial.describe());
            append(&mut tx, attempt.run_id, Some(attempt.number), EventKind::Log, &json!({ "text": text })).await?;
            create_child(&mut tx, sweep, spec, params, SweepRole::Winner, params.rungs(), trial).await?;
            await_children(&mut tx, attempt).await?;
            SweepStep::Waiting
        }
    };
    tx.commit().await?;
    Ok(step)
}

fn find_trial(params: &SweepParams, number: u32) -> Option<&Trial> {
    params.trials().iter().find(|trial| trial.number == number)
}

/// Creates a child on the data of the sweep, at its position.
async fn create_child(
    conn: &mut PgConnection,
    sweep: &TrainingRun,
    spec: &ValidatedSpec,
    params: &SweepParams,
    role: SweepRole,
    rung: u32,
    trial: &Trial,
) -> Result<(), RunsError> {
    let request = CreateRun {
        spec: spec.for_trial(trial),
        actor: &sweep.created_by,
        on_behalf_of: None,
        idempotency: None,
        dataset_only: false,
        parent_run_id: Some(sweep.id),
        position: Some(sweep.position),
        trace_parent: sweep.trace_parent.as_deref(),
        trace_state: sweep.trace_state.as_deref(),
    };
    let child = create_run(&mut *conn, request).await?.run.id;
    let train_fraction = if role == SweepRole::Trial { params.train_fraction(rung) } else { None };
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    sqlx::query!(
        r#"
        INSERT INTO sweep_children (run_id, sweep_id, role, trial, trials, rung, train_fraction, chosen)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        "#,
        child as RunId,
        sweep.id as RunId,
        role as SweepRole,
        signed(trial.number),
        i32::try_from(params.trials().len()).unwrap_or(i32::MAX),
        signed(rung),
        train_fraction,
        Value::Object(trial.chosen.clone())
    )
    .execute(&mut *conn)
    .await?;
    if role == SweepRole::Trial {
        let of_rung = if params.rungs() > 1 { format!(", rung {rung} of {}", params.rungs()) } else { String::new() };
        let text = format!("trial {} of {}{of_rung}: {}", trial.number, params.trials().len(), trial.describe());
        append(conn, sweep.id, Some(sweep.attempt_number), EventKind::Log, &json!({ "text": text, "run_id": child })).await?;
    }
    Ok(())
}

async fn await_children(conn: &mut PgConnection, attempt: AttemptId) -> Result<(), RunsError> {
    let reason = json!({ "status": "queued", "attempt": "released", "awaits": "trials" });
    requeue_released(conn, attempt, RECHECK_INTERVAL, &reason).await
}

/// The sweep names the snapshot of its winner.
async fn link_dataset(conn: &mut PgConnection, attempt: AttemptId, children: &[SweepChild]) -> Result<(), RunsError> {
    let winner = children.iter().find(|child| child.role == SweepRole::Winner).map(|child| child.run_id);
    let linked = sqlx::query!(
        r#"
        UPDATE training_runs
        SET dataset_id = (SELECT w.dataset_id FROM training_runs w WHERE w.id = $3)
        WHERE id = $1 AND attempt_number = $2 AND status = 'running'
        "#,
        attempt.run_id as RunId,
        attempt.number,
        winner as Option<RunId>
    )
    .execute(conn)
    .await?;
    ensure_one_row(&linked, || attempt.lease_lost())
}
