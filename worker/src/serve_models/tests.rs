//! Tests of batches, memory and the protocol with models without an encoder.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aprendiz_inference::protocol::{PREDICT_PATH, PredictionRequest, PredictionResponse, Refusal, RefusalReason};
use aprendiz_test_support::wait_until;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::serve_models::batch;
use crate::serve_models::config::Limits;
use crate::serve_models::fixture::{FakeModel, FakeSource, job, limits, values, version};
use crate::serve_models::models::Models;
use crate::serve_models::router::{ServiceState, router};

const WAIT_LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn waiting_jobs_are_computed_together_up_to_the_limit() {
    let source = FakeSource::default();
    let model = Arc::new(FakeModel::new(1, &source));
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut answers = Vec::new();
    for texts in [&["a", "b"][..], &["c"], &["d"], &["e"]] {
        let (job, answer) = job(texts);
        sender.send(job).unwrap();
        answers.push(answer);
    }
    drop(sender);
    batch::run(&model, receiver, &limits(), &Semaphore::new(1)).await;
    let mut found = Vec::new();
    for answer in answers {
        found.push(values(answer.await.unwrap()));
    }
    assert_eq!(found, [vec!["1:a", "1:b"], vec!["1:c"], vec!["1:d"], vec!["1:e"]]);
    assert_eq!(*source.calls.lock().unwrap(), [vec!["a", "b", "c", "d"], vec!["e"]]);
}

#[tokio::test]
async fn a_text_that_fails_costs_only_its_own_request() {
    for bad in ["fail", "panic"] {
        let source = FakeSource::default();
        let model = Arc::new(FakeModel::new(1, &source));
        let (sender, receiver) = mpsc::unbounded_channel();
        let ((good, good_answer), (broken, broken_answer)) = (job(&["a"]), job(&["b", bad]));
        sender.send(broken).unwrap();
        sender.send(good).unwrap();
        drop(sender);
        batch::run(&model, receiver, &limits(), &Semaphore::new(1)).await;
        assert_eq!(values(good_answer.await.unwrap()), ["1:a"]);
        assert_eq!(broken_answer.await.unwrap().unwrap_err().reason, RefusalReason::Failed, "{bad}");
    }
}

#[tokio::test]
async fn long_texts_are_computed_in_pieces_and_abandoned_requests_not_at_all() {
    let source = FakeSource::default();
    let model = Arc::new(FakeModel::new(1, &source));
    let (sender, receiver) = mpsc::unbounded_channel();
    let long = "x".repeat(100 << 10);
    let (first, answer) = job(&[&long, &long, "a"]);
    let (abandoned, dropped) = job(&["b"]);
    let (mut late, _late_answer) = job(&["c"]);
    late.deadline = Instant::now();
    drop(dropped);
    for job in [first, abandoned, late] {
        sender.send(job).unwrap();
    }
    drop(sender);
    batch::run(&model, receiver, &limits(), &Semaphore::new(1)).await;
    assert_eq!(values(answer.await.unwrap()).len(), 3);
    let sizes: Vec<usize> = source.calls.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 2], "neither the abandoned nor the late request is computed");
}

#[tokio::test]
async fn memory_holds_one_model_at_a_time_and_evicted_requests_are_answered() {
    let source = FakeSource { pass: Arc::new(Semaphore::new(0)), ..FakeSource::default() };
    let models = Models::new(source.clone(), limits());
    let mut answers = Vec::new();
    for number in [1, 2, 1, 2, 3, 1] {
        let (job, answer) = job(&["a"]);
        models.submit(&version(number), job).unwrap();
        answers.push((number, answer));
    }
    source.pass.add_permits(1_000);
    for (number, answer) in answers {
        assert_eq!(values(answer.await.unwrap()), [format!("{number}:a")]);
    }
    assert_eq!(source.counts.max_loaded.load(Ordering::SeqCst), 1);
    models.close().await;
    assert_eq!(source.counts.loaded.load(Ordering::SeqCst), 0);
    let (late, _answer) = job(&["a"]);
    assert_eq!(models.submit(&version(1), late).unwrap_err().reason, RefusalReason::ShuttingDown);
}

#[tokio::test]
async fn the_least_recently_used_model_is_unloaded() {
    let source = FakeSource { bytes: 40 << 10, ..FakeSource::default() };
    let models = Models::new(source.clone(), limits());
    for number in [1, 2, 1, 3, 1] {
        let (job, answer) = job(&["a"]);
        models.submit(&version(number), job).unwrap();
        values(answer.await.unwrap());
    }
    assert_eq!(source.counts.loads.load(Ordering::SeqCst), 3, "version 1 stays in memory");
    let loaded = serde_json::to_value(models.states()).unwrap();
    let numbers: Vec<&Value> = loaded.as_array().unwrap().iter().map(|state| &state["number"]).collect();
    assert_eq!(numbers, [1, 3]);
}

#[tokio::test]
async fn idle_models_are_unloaded_and_loaded_again() {
    let source = FakeSource::default();
    let models = Models::new(source.clone(), Limits { idle: Duration::ZERO, ..limits() });
    let stop = tokio_util::sync::CancellationToken::new();
    let checks = tokio::spawn({
        let (models, stop) = (models.clone(), stop.clone());
        async move { models.unload_idle(stop).await }
    });
    for _ in 0..2 {
        let (job, answer) = job(&["a"]);
        models.submit(&version(1), job).unwrap();
        values(answer.await.unwrap());
        let is_unloaded = async || (source.counts.loaded.load(Ordering::SeqCst) == 0).then_some(());
        wait_until("the model is unloaded", WAIT_LIMIT, is_unloaded).await;
    }
    assert_eq!(source.counts.loads.load(Ordering::SeqCst), 2);
    stop.cancel();
    checks.await.unwrap();
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_tried_again_and_costs_no_other() {
    let source = FakeSource::default();
    source.broken.lock().unwrap().insert(1);
    let models = Models::new(source.clone(), limits());
    let request = async |number| {
        let (job, answer) = job(&["a"]);
        models.submit(&version(number), job).unwrap();
        answer.await.unwrap()
    };
    assert_eq!(request(1).await.unwrap_err().reason, RefusalReason::InvalidModel);
    assert_eq!(values(request(2).await), ["2:a"]);
    source.broken.lock().unwrap().clear();
    assert_eq!(values(request(1).await), ["1:a"]);
    let large = Models::new(FakeSource { bytes: 101 << 10, ..source }, limits());
    let (job, answer) = job(&["a"]);
    large.submit(&version(1), job).unwrap();
    let refusal = answer.await.unwrap().unwrap_err();
    assert!(refusal.reason == RefusalReason::ModelTooLarge && refusal.detail.contains("APRENDIZ_INFERENCE_MEMORY_MB"), "{refusal}");
}

async fn post(state: &ServiceState<FakeSource>, body: Vec<u8>) -> (StatusCode, Value) {
    let request = Request::post(PREDICT_PATH).header(header::CONTENT_LENGTH, body.len()).body(Body::from(body)).unwrap();
    let response = router(state.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn request(texts: &[&str], timeout_ms: u64) -> Vec<u8> {
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    serde_json::to_vec(&PredictionRequest { version: version(1), texts, top_k: 1, timeout_ms }).unwrap()
}

#[tokio::test]
async fn requests_are_answered_or_refused_with_a_reason() {
    let source = FakeSource::default();
    let state = ServiceState::new(Models::new(source.clone(), limits()), limits(), None);
    let (status, body) = post(&state, request(&["a", "b"], 60_000)).await;
    let response: PredictionResponse = serde_json::from_value(body).unwrap();
    assert_eq!((status, response.predictions.len()), (StatusCode::OK, 2));
    assert_eq!(response.predictions[1][0].evidence, Some((0, 1)));
    let many = vec!["a"; 65];
    for body in [b"{".to_vec(), b"\xff\xfe".to_vec(), json!({ "texts": [] }).to_string().into(), request(&[], 1), request(&many, 1)] {
        let (status, body) = post(&state, body).await;
        let refusal: Refusal = serde_json::from_value(body).unwrap();
        assert_eq!((status, refusal.reason), (StatusCode::BAD_REQUEST, RefusalReason::InvalidRequest), "{refusal}");
    }
    let without_length = Request::post(PREDICT_PATH).body(Body::from(request(&["a"], 1))).unwrap();
    assert_eq!(router(state.clone()).oneshot(without_length).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let lying = Request::post(PREDICT_PATH).header(header::CONTENT_LENGTH, 3).body(Body::from(request(&["a"], 1))).unwrap();
    assert_eq!(router(state.clone()).oneshot(lying).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let (status, _) = post(&state, request(&["a"], 60_000)).await;
    assert_eq!(status, StatusCode::OK, "malformed requests leave nothing behind");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_slow_request_times_out() {
    let source = FakeSource { pass: Arc::new(Semaphore::new(0)), ..FakeSource::default() };
    let limits = Limits { queue_requests: 1, ..limits() };
    let state = ServiceState::new(Models::new(source.clone(), limits), limits, None);
    let waiting = tokio::spawn({
        let state = state.clone();
        async move { post(&state, request(&["a"], 60_000)).await }
    });
    let is_waiting = async || {
        let response = router(state.clone()).oneshot(Request::get("/healthz").body(Body::empty()).unwrap()).await.unwrap();
        let health: Value = serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap();
        (health["queued_requests"] == 1).then_some(())
    };
    wait_until("the first request waits", WAIT_LIMIT, is_waiting).await;
    let (status, body) = post(&state, request(&["b"], 60_000)).await;
    assert_eq!((status, &body["reason"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("overloaded")));
    source.pass.add_permits(1);
    assert_eq!(waiting.await.unwrap().0, StatusCode::OK);
    let (status, body) = post(&state, request(&["c"], 1)).await;
    assert_eq!((status, &body["reason"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("timed_out")));
    source.pass.add_permits(1_000);
}
