//! A run of kind `sweep`: one step, which takes milliseconds, each time that it is claimed.

use aprendiz_run_spec::{SweepParams, ValidatedSpec};
use aprendiz_runs::{Claim, RunsError, SweepStep, advance_sweep, has_succeeded};

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::retry::retry_on_outage;

/// Creates the runs that are missing. Unless the sweep ends, the attempt is released until one of its runs ends, so that these runs can
/// use the slot.
pub(crate) async fn advance(deps: &Deps, claim: &Claim, spec: &ValidatedSpec, params: &SweepParams) -> Result<(), Interruption> {
    match retry_on_outage!(advance_once(deps, claim, spec, params))? {
        SweepStep::Waiting => Err(Interruption::AwaitingTrials),
        SweepStep::Succeeded => Ok(()),
        SweepStep::Failed(failure) => Err(Interruption::Failed(failure)),
    }
}

/// A cut connection may hide that the sweep has succeeded already; the retry then finds the lease gone.
async fn advance_once(deps: &Deps, claim: &Claim, spec: &ValidatedSpec, params: &SweepParams) -> Result<SweepStep, RunsError> {
    let mut tx = deps.database.begin().await?;
    let step = match advance_sweep(&mut tx, claim.attempt, &claim.run, spec, params).await {
        Err(RunsError::LeaseLost { .. }) if has_succeeded(&mut tx, claim.attempt).await? => SweepStep::Succeeded,
        step => step?,
    };
    tx.commit().await?;
    Ok(step)
}
