//! Routes of the inference process.

use std::time::Duration;

use aprendiz_inference::protocol::{
    HEALTH_PATH, MAX_REQUEST_BYTES, MAX_REQUEST_TEXTS, PREDICT_PATH, PredictionRequest, PredictionResponse, Refusal, RefusalReason,
};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::serve_models::batch::Job;
use crate::serve_models::config::Limits;
use crate::serve_models::metrics::{QUEUED, REQUEST_SECONDS, REQUESTS};
use crate::serve_models::models::{ModelState, Models, Source};
use crate::serve_models::queue::Queue;

/// Time in which a request must be received. Its client is on the same host.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time that a request may wait for its answer.
const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

/// What the handlers share; cheap to clone.
pub(super) struct ServiceState<S> {
    pub(super) models: Models<S>,
    queue: Queue,
    limits: Limits,
    recorder: Option<PrometheusHandle>,
}

impl<S> Clone for ServiceState<S> {
    fn clone(&self) -> Self {
        Self { models: self.models.clone(), queue: self.queue.clone(), limits: self.limits, recorder: self.recorder.clone() }
    }
}

impl<S: Source> ServiceState<S> {
    pub(super) fn new(models: Models<S>, limits: Limits, recorder: Option<PrometheusHandle>) -> Self {
        Self { models, queue: Queue::new(&limits), limits, recorder }
    }
}

pub(super) fn router<S: Source>(state: ServiceState<S>) -> Router {
    Router::new()
        .route(PREDICT_PATH, post(predict::<S>))
        .route(HEALTH_PATH, get(healthz::<S>))
        .route("/metrics", get(render_metrics::<S>))
        .with_state(state)
}

async fn predict<S: Source>(State(state): State<ServiceState<S>>, headers: HeaderMap, body: Body) -> Response {
    let started = Instant::now();
    let outcome = answer(&state, &headers, body).await;
    let label = outcome.as_ref().map_or_else(|refusal| label(refusal.reason), |_| "answered");
    counter!(REQUESTS, "outcome" => label).increment(1);
    histogram!(REQUEST_SECONDS).record(started.elapsed().as_secs_f64());
    match outcome {
        Ok(response) => Json(response).into_response(),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Json(refusal)).into_response()
        }
    }
}

async fn answer<S: Source>(state: &ServiceState<S>, headers: &HeaderMap, body: Body) -> Result<PredictionResponse, Refusal> {
    let arrived = Instant::now();
    let bytes = content_length(headers)?;
    let place = state.queue.try_enter(bytes)?;
    let received = timeout(BODY_TIMEOUT, to_bytes(body, bytes)).await;
    let received = received.map_err(|_| invalid("the request was not received in time"))?;
    let received = received.map_err(|error| invalid(&error.to_string()))?;
    let PredictionRequest { version, texts, top_k, timeout_ms } =
        serde_json::from_slice(&received).map_err(|error| invalid(&error.to_string()))?;
    drop(received);
    if !(1..=MAX_REQUEST_TEXTS).contains(&texts.len()) {
        return Err(invalid(&format!("{} texts: 1 to {MAX_REQUEST_TEXTS} are expected", texts.len())));
    }
    let deadline = arrived + Duration::from_millis(timeout_ms).min(MAX_TIMEOUT);
    let (reply, answer) = oneshot::channel();
    state.models.submit(&version, Job { texts, top_k, deadline, reply, place })?;
    match timeout_at(deadline, answer).await {
        Ok(Ok(answer)) => Ok(PredictionResponse { predictions: answer? }),
        // a job is dropped without an answer only if its time is over, or if its task failed
        Ok(Err(_)) if Instant::now() < deadline => Err(Refusal::new(RefusalReason::Failed, "the prediction was aborted")),
        _ => Err(Refusal::new(RefusalReason::TimedOut, "the prediction took too long: try again, with fewer or shorter texts")),
    }
}

fn content_length(headers: &HeaderMap) -> Result<usize, Refusal> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    match length {
        Some(length) if length <= MAX_REQUEST_BYTES => Ok(length),
        Some(length) => Err(invalid(&format!("{length} bytes: at most {MAX_REQUEST_BYTES} are accepted"))),
        None => Err(invalid("Content-Length is missing")),
    }
}

fn invalid(detail: &str) -> Refusal {
    Refusal::new(RefusalReason::InvalidRequest, detail)
}

const fn label(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::InvalidRequest => "invalid_request",
        RefusalReason::Overloaded => "overloaded",
        RefusalReason::TimedOut => "timed_out",
        RefusalReason::ShuttingDown => "shutting_down",
        RefusalReason::FilesUnavailable => "files_unavailable",
        RefusalReason::ModelTooLarge => "model_too_large",
        RefusalReason::InvalidModel => "invalid_model",
        RefusalReason::Failed => "failed",
    }
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    process_id: u32,
    queued_requests: usize,
    models: Vec<ModelState>,
}

async fn healthz<S: Source>(State(state): State<ServiceState<S>>) -> impl IntoResponse {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        process_id: std::process::id(),
        queued_requests: state.queue.len(&state.limits),
        models: state.models.states(),
    })
}

async fn render_metrics<S: Source>(State(state): State<ServiceState<S>>) -> impl IntoResponse {
    gauge!(QUEUED).set(state.queue.len(&state.limits) as f64);
    let text = state.recorder.map(|recorder| {
        recorder.run_upkeep();
        recorder.render()
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text.unwrap_or_default())
}
