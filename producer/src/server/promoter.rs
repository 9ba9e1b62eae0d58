//! Promoter: asks the gate about versions that were published under automatic promotion, and makes those champion that pass. One producer at
//! a time is active, like the reaper.

use std::time::Duration;

use aprendiz_db::{LeaderError, LeaderLock, LeaderOptions, LeaderTask, WarnOnce, run_as_leader};
use aprendiz_evaluation::GateDecision;
use aprendiz_runs::{
    AUTOMATIC_ACTOR, CHAMPION, Promotion, RunsError, find_alias, find_version, get_model_settings, list_gates_due, record_automatic_gate,
};
use serde_json::json;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::ComparisonDeps;
use crate::api::ask_gate;
use crate::database::background_session;
use crate::server::task_health::TaskHealth;

const INTERVAL: Duration = Duration::from_secs(2);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Maximum silence of the session; a comparison reads two files and computes for seconds.
const SESSION_TIMEOUT: Duration = Duration::from_secs(300);
/// Versions per round.
const ROUND_SIZE: i64 = 10;

/// Time without a successful round after which the promoter counts as overdue.
pub(crate) const OVERDUE_AFTER: Duration = SESSION_TIMEOUT;

/// Runs until shutdown.
pub(crate) async fn run(deps: ComparisonDeps, health: TaskHealth, shutdown: CancellationToken) {
    let options = LeaderOptions {
        session: background_session(&deps.database, "aprendiz-promoter", Some(SESSION_TIMEOUT)),
        lock: LeaderLock::Promoter,
        interval: INTERVAL,
        max_backoff: MAX_BACKOFF,
        round_timeout: None,
    };
    run_as_leader(&options, &mut Promoter { deps, health, warned: WarnOnce::default() }, &shutdown).await;
}

struct Promoter {
    deps: ComparisonDeps,
    health: TaskHealth,
    warned: WarnOnce,
}

impl LeaderTask for Promoter {
    type Error = RunsError;

    async fn round(&mut self, conn: &mut PgConnection) -> Result<(), RunsError> {
        for (model, number) in list_gates_due(conn, ROUND_SIZE).await? {
            // one version that cannot be compared does not keep the others
            match self.decide(conn, &model, number).await? {
                Err(error) if self.warned.is_new(&error) => {
                    warn!(
                        model.name = model,
                        model.number = number,
                        error,
                        "the gate of an automatic promotion cannot decide yet; it is asked again"
                    );
                }
                _ => {}
            }
        }
        self.health.succeeded();
        Ok(())
    }

    fn on_failure(&mut self, error: &LeaderError<RunsError>) {
        self.health.failed(error);
        warn!(%error, "promoter failed; versions are not promoted automatically until it recovers");
    }

    fn on_recovery(&mut self) {
        self.health.recovered();
        info!("promoter has recovered");
    }
}

impl Promoter {
    /// Asks the gate about one version and records the decision. The inner error says why the gate could not decide.
    async fn decide(&self, conn: &mut PgConnection, model: &str, number: i32) -> Result<Result<(), String>, RunsError> {
        let Some(candidate) = find_version(conn, model, Some(number)).await? else { return Ok(Ok(())) };
        let settings = get_model_settings(conn, model).await?.ok_or_else(|| RunsError::UnknownModel(model.to_owned()))?;
        let champion = find_alias(conn, model, CHAMPION).await?;
        let baseline = match &champion {
            Some(champion) => find_version(conn, model, Some(champion.number)).await?,
            None => None,
        };
        let gate = match &baseline {
            Some(baseline) => match ask_gate(&self.deps, &settings, baseline, &candidate).await {
                Ok(gate) => gate,
                Err(error) if error.is_server_error() => return Ok(Err(error.detail().to_owned())),
                // asking again cannot help: somebody has to decide
                Err(error) => {
                    let undecided = json!({ "decision": GateDecision::InsufficientEvidence, "reason": error.detail() });
                    record_automatic_gate(conn, model, number, Some(&undecided), None).await?;
                    return Ok(Ok(()));
                }
            },
            None => None,
        };
        let passed = gate.as_ref().is_none_or(|gate| gate.decision == GateDecision::Passed);
        let recorded = gate.as_ref().map(|gate| json!(gate));
        let promotion = Promotion {
            model,
            alias: CHAMPION,
            number,
            revision: champion.as_ref().map_or(0, |champion| champion.revision),
            actor: AUTOMATIC_ACTOR,
            reason: None,
            gate: recorded.as_ref(),
            overridden: false,
        };
        match record_automatic_gate(conn, model, number, recorded.as_ref(), passed.then_some(&promotion)).await {
            Ok(true) => {
                info!(model.name = model, model.number = number, promoted = passed, "the gate decided about an automatic promotion")
            }
            Ok(false) => {}
            Err(RunsError::AliasChanged { .. }) => return Ok(Err("the champion was changed meanwhile".to_owned())),
            Err(error) => return Err(error),
        }
        Ok(Ok(()))
    }
}
