//! Liveness and readiness probes. They need no API key and reveal no secrets.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::operation::routes;
use crate::api::http::slots::{RequestClass, Slots};
use crate::api::operations::check::{Check, HealthState, TimedChecks};
use crate::api::operations::task_checks::task_checks;
use crate::api::state::AppState;
use crate::database::schema_state;

const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for which an answer of the readiness probe is given to further requests.
const SHARED_FOR: Duration = Duration::from_millis(500);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(health))
}

/// Health of the server.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// The worst state of all components.
    status: HealthState,
    /// Version of the server.
    version: &'static str,
    /// The checked components.
    checks: Vec<Check>,
}

impl Health {
    fn from_checks(checks: Vec<Check>) -> (StatusCode, Json<Self>) {
        let any = |state| checks.iter().any(|check| check.state == state);
        let (code, status) = if any(HealthState::Failed) {
            (StatusCode::SERVICE_UNAVAILABLE, HealthState::Failed)
        } else if any(HealthState::Degraded) {
            (StatusCode::OK, HealthState::Degraded)
        } else {
            (StatusCode::OK, HealthState::Ok)
        };
        (code, Json(Self { status, version: env!("CARGO_PKG_VERSION"), checks }))
    }
}

/// Liveness: whether relay, reaper and the other background tasks run
#[utoipa::path(
    get, path = "/healthz", tag = "probes",
    responses(
        (status = 200, description = "Alive", body = Health),
        (status = 503, description = "A background task has stopped: restart the server", body = Health),
    ),
)]
async fn healthz(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    let checks = state.background_tasks.iter().map(|(name, handle)| {
        let stopped = handle.is_finished() && !state.shutdown.is_cancelled();
        Check {
            name,
            state: if stopped { HealthState::Failed } else { HealthState::Ok },
            detail: stopped.then(|| "the task has stopped: check the log and restart the server".to_owned()),
        }
    });
    Health::from_checks(checks.collect())
}

/// Readiness: database, migrations, bucket, and free slots for requests. Redis and the background tasks only degrade the server
#[utoipa::path(
    get, path = "/readyz", tag = "probes",
    responses(
        (status = 200, description = "Ready, possibly degraded", body = Health),
        (status = 503, description = "Not ready", body = Health),
    ),
)]
async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    Health::from_checks(ready_checks(&state).await)
}

/// Same as `/readyz`, under the path that the SPA uses
#[utoipa::path(
    get, path = "/health", tag = "SPA",
    responses(
        (status = 200, description = "Ready, possibly degraded", body = Health),
        (status = 503, description = "Not ready", body = Health),
    ),
)]
async fn health(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    Health::from_checks(ready_checks(&state).await)
}

/// The checks of readiness. Parallel requests share one answer, because the probes need no key and have no limit of their own.
async fn ready_checks(state: &AppState) -> Vec<Check> {
    let mut last = state.readiness.lock().await;
    if let Some(answer) = &*last
        && answer.at.elapsed() < SHARED_FOR
    {
        return answer.checks.clone();
    }
    let checks = check_all(state).await;
    *last = Some(TimedChecks { at: Instant::now(), checks: checks.clone() });
    checks
}

async fn check_all(state: &AppState) -> Vec<Check> {
    let (database, bucket, redis, tasks, inference, oidc) =
        tokio::join!(database(state), bucket(state), redis(state), task_checks(state), inference(state), oidc(state));
    let mut checks = vec![database, bucket, redis, requests(state)];
    checks.extend(inference);
    checks.extend(oidc);
    checks.extend(tasks);
    checks
}

/// Whether requests are admitted: the probes themselves always are.
fn requests(state: &AppState) -> Check {
    let exhausted: Vec<&str> =
        Slots::CLASSES.into_iter().filter(|class| state.slots.by_class(*class).is_exhausted()).map(RequestClass::noun).collect();
    let health = if state.slots.by_class(RequestClass::Ordinary).is_exhausted() {
        HealthState::Failed
    } else if exhausted.is_empty() {
        HealthState::Ok
    } else {
        HealthState::Degraded
    };
    let detail = (!exhausted.is_empty()).then(|| format!("overloaded: further {} are rejected", exhausted.join(", ")));
    Check { name: "requests", state: health, detail }
}

async fn database(state: &AppState) -> Check {
    let read_schema = async {
        let mut conn = state.database.read().await?;
        schema_state(&mut conn).await
    };
    let outcome = match timeout(PROBE_TIMEOUT, read_schema).await {
        Ok(Ok(schema)) if schema.is_usable() => Ok(()),
        Ok(Ok(schema)) => Err(schema.describe()),
        // the error may contain the user name, so it is not returned
        Ok(Err(_)) => Err("no valid response".to_owned()),
        Err(_) => Err(format!("no response within {} s", PROBE_TIMEOUT.as_secs())),
    };
    Check { name: "database", state: if outcome.is_ok() { HealthState::Ok } else { HealthState::Failed }, detail: outcome.err() }
}

async fn bucket(state: &AppState) -> Check {
    let outcome = match timeout(PROBE_TIMEOUT, state.store.check()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(aprendiz_artifacts::StoreError::MissingBucket(name))) => Err(format!("bucket `{name}` does not exist")),
        // the answer of the store names the bucket and the key ID, so it is not returned
        Ok(Err(aprendiz_artifacts::StoreError::Rejected { .. })) => {
            Err("the object store rejects requests: `aprendiz doctor` shows why".to_owned())
        }
        Ok(Err(_)) => Err("no response".to_owned()),
        Err(_) => Err(format!("no response within {} s", PROBE_TIMEOUT.as_secs())),
    };
    Check { name: "bucket", state: if outcome.is_ok() { HealthState::Ok } else { HealthState::Failed }, detail: outcome.err() }
}

/// The inference process, if the server has one.
async fn inference(state: &AppState) -> Option<Check> {
    let client = state.inference.as_ref()?;
    Some(match client.check(PROBE_TIMEOUT).await {
        Ok(()) => Check::ok("inference"),
        Err(_) => Check::degraded("inference", "the inference process does not answer: field classifiers cannot predict".to_owned()),
    })
}

/// The provider with which people sign in, if one is configured.
async fn oidc(state: &AppState) -> Option<Check> {
    let provider = state.oidc.as_ref()?;
    Some(match timeout(PROBE_TIMEOUT, provider.check()).await {
        Ok(Ok(_)) => Check::ok("oidc"),
        // the reason may name a host, so it is not returned
        Ok(Err(_)) | Err(_) => Check::degraded(
            "oidc",
            "the provider of sign-ins is unavailable: only API keys and sessions are accepted; `aprendiz doctor` shows why".to_owned(),
        ),
    })
}

async fn redis(state: &AppState) -> Check {
    match state.redis.status().await.fault {
        None => Check::ok("redis"),
        Some(fault) => Check::degraded("redis", format!("{fault}: runs start only when workers poll; {}", state.redis.advice(fault))),
    }
}
