//! Liveness and readiness probes. They need no API key and reveal no secrets.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::http::slots::{RequestClass, Slots};
use crate::api::state::AppState;
use crate::database::schema_state;

const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(health))
}

/// State of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum HealthState {
    /// Works.
    Ok,
    /// Unavailable; the API works without it, but new runs wait.
    Degraded,
    /// Does not work.
    Failed,
}

/// Result of the check of one component.
#[derive(Debug, Serialize, ToSchema)]
struct Check {
    /// Name of the component.
    name: &'static str,
    /// State of the component.
    state: HealthState,
    /// Explanation, unless the state is `ok`.
    detail: Option<String>,
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
    get, path = "/healthz", tag = "probes", security(()),
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

/// Readiness: database, migrations, bucket, and free slots for requests; an unavailable Redis only degrades the server
#[utoipa::path(
    get, path = "/readyz", tag = "probes", security(()),
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
    get, path = "/health", tag = "SPA", security(()),
    responses(
        (status = 200, description = "Ready, possibly degraded", body = Health),
        (status = 503, description = "Not ready", body = Health),
    ),
)]
async fn health(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    Health::from_checks(ready_checks(&state).await)
}

async fn ready_checks(state: &AppState) -> Vec<Check> {
    let (database, bucket, redis) = tokio::join!(database(state), bucket(state), redis(state));
    vec![database, bucket, redis, requests(state)]
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
        let mut conn = state.pool.acquire().await?;
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
        Ok(Err(_)) => Err("no response, or access denied".to_owned()),
        Err(_) => Err(format!("no response within {} s", PROBE_TIMEOUT.as_secs())),
    };
    Check { name: "bucket", state: if outcome.is_ok() { HealthState::Ok } else { HealthState::Failed }, detail: outcome.err() }
}

async fn redis(state: &AppState) -> Check {
    match state.redis.depth().await {
        Ok(_) => Check { name: "redis", state: HealthState::Ok, detail: None },
        Err(_) => {
            let detail = "no response: new runs wait in the database until Redis is available".to_owned();
            Check { name: "redis", state: HealthState::Degraded, detail: Some(detail) }
        }
    }
}
