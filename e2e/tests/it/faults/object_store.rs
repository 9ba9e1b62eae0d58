//! Faults of the bucket: refused connections, errors, hanging, wrong bytes. A manifest never lists a missing or wrong file.

use aprendiz_test_gate::Point;
use aprendiz_test_support::{FaultProxy, Process, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::check_published_once;
use crate::fixture::exports::contracts;
use crate::fixture::{Hold, SHORT_LEASE, TIMEOUT, TestApp, training_spec};

const SLOW_DOWN: &str = "HTTP/1.1 503 Slow Down\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: 111\r\n\r\n\
    <?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SlowDown</Code><Message>reduce your rate</Message></Error>  ";
const NO_BUCKET: &str = "HTTP/1.1 404 Not Found\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: 113\r\n\r\n\
    <?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>  ";

const REJECTED: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: 116\r\n\r\n\
    <?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>InvalidRequest</Code><Message>no such feature</Message></Error>  ";

/// Starts a worker that reaches the bucket through a proxy.
fn worker_behind(app: &TestApp, proxy: &FaultProxy, name: &str) -> Process {
    let endpoint = format!("http://{}", proxy.address());
    app.env.worker(name, &[("AWS_ENDPOINT_URL_S3", &endpoint), ("APRENDIZ_BUCKET_TIMEOUT_SECONDS", "2")])
}

/// Injects a fault before a worker uploads its model. The run must be retried, and succeed after the fault.
async fn check_upload_is_retried(fault: impl FnOnce(&FaultProxy)) {
    let app = TestApp::with_import(contracts()).await;
    let proxy = FaultProxy::start(&app.env.bucket.address());
    let hold = Hold::at(&app, Point::Phase("upload"));
    let worker = worker_behind(&app, &proxy, "worker-1");
    let id = app.create_run(&run_with_many_attempts()).await;
    hold.wait_until_reached().await;
    fault(&proxy);
    drop(hold);
    let run = app.wait_for_retry(id).await;
    assert_eq!(run["error_code"], "object_store", "{run}");
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 0);
    proxy.pass();
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

/// A run with more attempts than a test uses up.
fn run_with_many_attempts() -> Value {
    json!({ "model": "contracts", "max_attempts": 20 })
}

#[tokio::test]
async fn a_bucket_that_refuses_connections_costs_an_attempt() {
    check_upload_is_retried(FaultProxy::refuse).await;
}

#[tokio::test]
async fn a_slow_down_error_of_the_bucket_costs_an_attempt() {
    check_upload_is_retried(|proxy| proxy.answer(SLOW_DOWN)).await;
}

#[tokio::test]
async fn a_temporarily_missing_bucket_costs_an_attempt() {
    check_upload_is_retried(|proxy| proxy.answer(NO_BUCKET)).await;
}

#[tokio::test]
async fn a_hanging_bucket_costs_an_attempt() {
    check_upload_is_retried(FaultProxy::stall).await;
}

#[tokio::test]
async fn a_rejected_request_is_not_retried_and_the_answer_is_one_line() {
    let app = TestApp::with_import(contracts()).await;
    let proxy = FaultProxy::start(&app.env.bucket.address());
    let hold = Hold::at(&app, Point::Phase("upload"));
    let worker = worker_behind(&app, &proxy, "worker-1");
    let id = app.create_run(&run_with_many_attempts()).await;
    hold.wait_until_reached().await;
    proxy.answer(REJECTED);
    drop(hold);
    let (code, error) = app.wait_for_failure(id).await;
    assert_eq!(code, "object_store_rejected");
    assert!(error.ends_with(": 400 InvalidRequest: no such feature") && !error.contains(['{', '\n']), "{error}");
    assert_eq!(app.attempt_statuses(id).await, ["failed"]);
    let explanation = app.api().json(&format!("/v1/training-runs/{id}/explain")).await;
    assert!(explanation.to_string().contains("aprendiz doctor"), "{explanation}");

    // the same for a background import: neither 503 nor "try again"
    let endpoint = format!("http://{}", proxy.address());
    proxy.pass();
    let server = app.env.serve_with(&[], &[("AWS_ENDPOINT_URL_S3", &endpoint)]).await;
    proxy.answer(REJECTED);
    let response = server.api().post("/v1/imports?background=true").body(contracts()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 500);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "object_store_rejected", "{problem}");
    proxy.pass();
    app.cli(&["run", "retry", &id.to_string()]);
    app.wait_for_success(id).await;
    drop((server, worker));
    app.finish().await;
}

/// Starts a run whose snapshot exists, and injects a fault into its download. The run must be retried, and succeed after the fault.
async fn check_download_is_rejected(fault: impl FnOnce(&FaultProxy)) {
    let app = TestApp::with_import(contracts()).await;
    let first = app.env.worker("worker-1", &[]);
    let before = app.create_run(&training_spec()).await;
    app.wait_for_success(before).await;
    drop(first);
    let proxy = FaultProxy::start(&app.env.bucket.address());
    fault(&proxy);
    let second = worker_behind(&app, &proxy, "worker-2");
    let id = app.create_run(&run_with_many_attempts()).await;
    let run = app.wait_for_retry(id).await;
    // a checksum of the transfer may detect it before the hash of the row
    assert!(["object_damaged", "object_store"].contains(&run["error_code"].as_str().unwrap()), "{run}");
    proxy.pass();
    app.end_retry_delays().await;
    app.wait_for_success(id).await;
    check_published_once(&app, id).await;
    drop(second);
    app.finish().await;
}

#[tokio::test]
async fn a_snapshot_with_wrong_bytes_is_rejected_by_its_hash() {
    check_download_is_rejected(FaultProxy::corrupt).await;
}

#[tokio::test]
async fn a_truncated_snapshot_is_rejected() {
    check_download_is_rejected(FaultProxy::truncate).await;
}

#[tokio::test]
async fn repeatedly_interrupted_uploads_leave_no_wrong_manifest() {
    let app = TestApp::with_import(contracts()).await;
    let proxy = FaultProxy::start(&app.env.bucket.address());
    let hold = Hold::at(&app, Point::Phase("upload"));
    let worker = worker_behind(&app, &proxy, "worker-1");
    let id = app.create_run(&run_with_many_attempts()).await;
    for _ in 0..3 {
        hold.wait_until_reached().await;
        proxy.refuse();
        // the next attempt stops there, even if it starts at once
        hold.move_to(Point::Phase("train"));
        app.wait_for_retry(id).await;
        proxy.pass();
        app.end_retry_delays().await;
        hold.wait_until_reached().await;
        hold.move_to(Point::Phase("upload"));
    }
    drop(hold);
    app.wait_for_success(id).await;
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn the_api_answers_503_while_the_bucket_is_unavailable() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker-1", &[]);
    let id = app.create_run(&training_spec()).await;
    app.wait_for_success(id).await;
    let proxy = FaultProxy::start(&app.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let other = app
        .env
        .serve_with(
            &[],
            &[("AWS_ENDPOINT_URL_S3", &endpoint), ("APRENDIZ_MODEL_CACHE_DIR", app.env.folder().join("other").to_str().unwrap())],
        )
        .await;
    let predict = async || other.api().post("/v1/models/contracts/predict").json(&json!({ "texts": ["a lease"] })).send().await.unwrap();
    proxy.refuse();
    let path = format!("/v1/training-runs/{id}/model?file=config.json");
    assert_eq!(other.api().get(&path).send().await.unwrap().status().as_u16(), 503);
    let response = predict().await;
    assert_eq!(response.status().as_u16(), 503, "{}", response.text().await.unwrap());
    proxy.pass();
    assert!(other.api().get(&path).send().await.unwrap().status().is_success());
    // wrong bytes of a model are rejected too
    proxy.corrupt();
    let response = predict().await;
    assert!(response.status().is_server_error(), "{}", response.text().await.unwrap());
    drop((other, worker));
    app.finish().await;
}

#[tokio::test]
async fn a_worker_stopped_in_an_upload_changes_nothing_after_another_one_published() {
    let app = TestApp::with_import(contracts()).await;
    let proxy = FaultProxy::start(&app.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let hold = Hold::at(&app, Point::Phase("upload"));
    let worker = app.env.worker("worker-1", &[SHORT_LEASE, ("AWS_ENDPOINT_URL_S3", &endpoint)]);
    let id = app.create_run(&run_with_many_attempts()).await;
    hold.wait_until_reached().await;
    proxy.stall();
    drop(hold);
    let pending = "SELECT count(*) FROM objects WHERE key LIKE 'models/%' AND state = 'pending'";
    wait_until("a running upload", TIMEOUT, async || (app.count(pending).await > 0).then_some(())).await;
    worker.signal(Signal::STOP);
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    let before = app.run_tables().await;
    proxy.pass();
    worker.signal(Signal::CONT);
    app.wait_for_log(&worker, "lease lost").await;
    assert_eq!(app.run_tables().await, before);
    check_published_once(&app, id).await;
    drop((worker, second));
    app.finish().await;
}
