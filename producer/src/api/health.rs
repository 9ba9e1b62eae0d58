//! Probes: whether the process lives, and whether it can do its work. They need no key and tell no secrets.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::state::AppState;
use crate::database::schema_state;

const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(health))
}

/// How a part of the system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Condition {
    /// Works.
    Ok,
    /// The API works without it, but runs wait.
    Degraded,
    /// Does not work.
    Failed,
}

/// One part.
#[derive(Debug, Serialize, ToSchema)]
struct Check {
    /// Its name.
    name: &'static str,
    /// How it is.
    state: Condition,
    /// In words, where it is not well.
    detail: Option<String>,
}

/// All parts.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// The worst of them.
    status: Condition,
    /// Version of this server.
    version: &'static str,
    /// Each part.
    checks: Vec<Check>,
}

impl Health {
    fn of(checks: Vec<Check>) -> (StatusCode, Json<Self>) {
        let any = |state| checks.iter().any(|check| check.state == state);
        let (code, status) = if any(Condition::Failed) {
            (StatusCode::SERVICE_UNAVAILABLE, Condition::Failed)
        } else if any(Condition::Degraded) {
            (StatusCode::OK, Condition::Degraded)
        } else {
            (StatusCode::OK, Condition::Ok)
        };
        (code, Json(Self { status, version: env!("CARGO_PKG_VERSION"), checks }))
    }
}

/// Whether the process lives: relay, reaper and the event listener run
#[utoipa::path(
    get, path = "/healthz", tag = "probes", security(()),
    responses((status = 200, description = "It lives", body = Health), (status = 503, description = "A loop has died: restart it", body = Health)),
)]
async fn healthz(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    let checks = state.loops.iter().map(|(name, handle)| {
        let dead = handle.is_finished() && !state.shutdown.is_cancelled();
        Check {
            name,
            state: if dead { Condition::Failed } else { Condition::Ok },
            detail: dead.then(|| "it has ended: restart the process and look into its log".to_owned()),
        }
    });
    Health::of(checks.collect())
}

/// Whether it can do its work: database, migrations, bucket; Redis away only degrades it
#[utoipa::path(
    get, path = "/readyz", tag = "probes", security(()),
    responses((status = 200, description = "Ready, maybe degraded", body = Health), (status = 503, description = "Not ready", body = Health)),
)]
async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    Health::of(ready_checks(&state).await)
}

/// The same as `/readyz`, under the name the SPA knows
#[utoipa::path(
    get, path = "/health", tag = "SPA", security(()),
    responses((status = 200, description = "Ready, maybe degraded", body = Health), (status = 503, description = "Not ready", body = Health)),
)]
async fn health(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    Health::of(ready_checks(&state).await)
}

async fn ready_checks(state: &AppState) -> Vec<Check> {
    let (database, bucket, redis) = tokio::join!(database(state), bucket(state), redis(state));
    vec![database, bucket, redis]
}

async fn database(state: &AppState) -> Check {
    let asked = async {
        let mut conn = state.pool.acquire().await?;
        schema_state(&mut conn).await
    };
    let outcome = match timeout(PATIENCE, asked).await {
        Ok(Ok(schema)) if schema.is_usable() => Ok(()),
        Ok(Ok(schema)) => Err(schema.in_words()),
        // the error may name the user; the log of the server says it
        Ok(Err(_)) => Err("it does not answer, or not as expected".to_owned()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    Check { name: "database", state: if outcome.is_ok() { Condition::Ok } else { Condition::Failed }, detail: outcome.err() }
}

async fn bucket(state: &AppState) -> Check {
    let outcome = match timeout(PATIENCE, state.store.check()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(artifacts::StoreError::MissingBucket(name))) => Err(format!("bucket `{name}` does not exist")),
        Ok(Err(_)) => Err("it does not answer, or refuses".to_owned()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    Check { name: "bucket", state: if outcome.is_ok() { Condition::Ok } else { Condition::Failed }, detail: outcome.err() }
}

async fn redis(state: &AppState) -> Check {
    match state.redis.depth().await {
        Ok(_) => Check { name: "redis", state: Condition::Ok, detail: None },
        Err(_) => {
            let detail = "it does not answer: new runs wait in the database until it does".to_owned();
            Check { name: "redis", state: Condition::Degraded, detail: Some(detail) }
        }
    }
}
