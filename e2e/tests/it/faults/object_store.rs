//! The bucket refuses, hangs, slows down, lies: a manifest never names what is missing or wrong, and no wrong byte is believed.

use aprendiz_test_gate::Point;
use test_support::{FaultProxy, Process, wait_until};

use super::check_published_once;
use crate::export::contracts;
use crate::hold::Hold;
use crate::site::{PATIENCE, SHORT_LEASE, Site};

const SLOW_DOWN: &str = "HTTP/1.1 503 Slow Down\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: 111\r\n\r\n\
    <?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SlowDown</Code><Message>reduce your rate</Message></Error>  ";
const NO_BUCKET: &str = "HTTP/1.1 404 Not Found\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: 113\r\n\r\n\
    <?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>  ";

/// A worker whose bucket is behind a proxy.
fn behind(site: &Site, proxy: &FaultProxy, name: &str) -> Process {
    let endpoint = format!("http://{}", proxy.address());
    site.env.worker(name, &[("AWS_ENDPOINT_URL_S3", &endpoint), ("APRENDIZ_BUCKET_TIMEOUT_SECONDS", "2")])
}

/// A run whose worker is about to upload its model when `fault` happens. It must be retried, and succeed once the bucket is well.
async fn survives(fault: impl FnOnce(&FaultProxy)) {
    let site = Site::with(contracts()).await;
    let proxy = FaultProxy::start(&site.env.bucket.address());
    let hold = Hold::at(&site, Point::Phase("upload"));
    let worker = behind(&site, &proxy, "worker-1");
    let id = site.create_run(&patient_run()).await;
    hold.reached().await;
    fault(&proxy);
    drop(hold);
    let run = site.retrying(id).await;
    assert_eq!(run["error_code"], "object_store", "{run}");
    assert_eq!(site.count("SELECT count(*) FROM model_versions").await, 0);
    proxy.pass();
    site.end_retry_delays().await;
    site.succeeded(id).await;
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

/// A run that the trouble of a test does not use up.
fn patient_run() -> serde_json::Value {
    serde_json::json!({ "model": "contracts", "max_attempts": 20 })
}

#[tokio::test]
async fn a_bucket_that_refuses_connections_costs_an_attempt() {
    survives(FaultProxy::refuse).await;
}

#[tokio::test]
async fn a_bucket_that_asks_to_slow_down_costs_an_attempt() {
    survives(|proxy| proxy.answer(SLOW_DOWN)).await;
}

#[tokio::test]
async fn a_bucket_that_is_gone_for_a_while_costs_an_attempt() {
    survives(|proxy| proxy.answer(NO_BUCKET)).await;
}

#[tokio::test]
async fn a_bucket_that_hangs_costs_an_attempt() {
    survives(FaultProxy::stall).await;
}

/// A run that finds a snapshot, which arrives with a fault.
async fn refuses(fault: impl FnOnce(&FaultProxy)) {
    let site = Site::with(contracts()).await;
    let first = site.env.worker("worker-1", &[]);
    let before = site.create_run(&serde_json::json!({ "model": "contracts" })).await;
    site.succeeded(before).await;
    drop(first);
    let proxy = FaultProxy::start(&site.env.bucket.address());
    fault(&proxy);
    let second = behind(&site, &proxy, "worker-2");
    let id = site.create_run(&patient_run()).await;
    let run = site.retrying(id).await;
    // a checksum of the transfer may find it before the hash of the row does
    assert!(["object_damaged", "object_store"].contains(&run["error_code"].as_str().unwrap()), "{run}");
    proxy.pass();
    site.end_retry_delays().await;
    site.succeeded(id).await;
    check_published_once(&site, id).await;
    drop(second);
    site.finish().await;
}

#[tokio::test]
async fn a_snapshot_that_arrives_with_wrong_bytes_is_refused_by_its_hash() {
    refuses(FaultProxy::corrupt).await;
}

#[tokio::test]
async fn a_snapshot_that_arrives_in_part_is_refused() {
    refuses(FaultProxy::truncate).await;
}

#[tokio::test]
async fn an_upload_that_is_cut_off_again_and_again_never_leaves_a_wrong_manifest() {
    let site = Site::with(contracts()).await;
    let proxy = FaultProxy::start(&site.env.bucket.address());
    let hold = Hold::at(&site, Point::Phase("upload"));
    let worker = behind(&site, &proxy, "worker-1");
    let id = site.create_run(&patient_run()).await;
    for _ in 0..3 {
        hold.reached().await;
        proxy.refuse();
        // the next attempt stops there, however soon it comes
        hold.move_to(Point::Phase("train"));
        site.retrying(id).await;
        proxy.pass();
        site.end_retry_delays().await;
        hold.reached().await;
        hold.move_to(Point::Phase("upload"));
    }
    drop(hold);
    site.succeeded(id).await;
    check_published_once(&site, id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_bucket_that_is_away_says_so_to_who_asks_the_api() {
    let site = Site::with(contracts()).await;
    let worker = site.env.worker("worker-1", &[]);
    let id = site.create_run(&serde_json::json!({ "model": "contracts" })).await;
    site.succeeded(id).await;
    let proxy = FaultProxy::start(&site.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let other = site
        .env
        .serve_with(
            &[],
            &[("AWS_ENDPOINT_URL_S3", &endpoint), ("APRENDIZ_MODEL_CACHE_DIR", site.env.folder().join("other").to_str().unwrap())],
        )
        .await;
    proxy.refuse();
    let path = format!("/v1/training-runs/{id}/model?file=config.json");
    assert_eq!(other.api().get(&path).send().await.unwrap().status().as_u16(), 503);
    let predict = other.api().post("/v1/models/contracts/predict").json(&serde_json::json!({ "texts": ["a lease"] })).send().await.unwrap();
    assert_eq!(predict.status().as_u16(), 503, "{}", predict.text().await.unwrap());
    proxy.pass();
    assert!(other.api().get(&path).send().await.unwrap().status().is_success());
    // wrong bytes of a model are refused too
    proxy.corrupt();
    let predict = other.api().post("/v1/models/contracts/predict").json(&serde_json::json!({ "texts": ["a lease"] })).send().await.unwrap();
    assert!(predict.status().is_server_error(), "{}", predict.text().await.unwrap());
    drop((other, worker));
    site.finish().await;
}

#[tokio::test]
async fn a_worker_that_hung_in_an_upload_adds_nothing_to_what_another_published() {
    let site = Site::with(contracts()).await;
    let proxy = FaultProxy::start(&site.env.bucket.address());
    let endpoint = format!("http://{}", proxy.address());
    let hold = Hold::at(&site, Point::Phase("upload"));
    let worker = site.env.worker("worker-1", &[SHORT_LEASE, ("AWS_ENDPOINT_URL_S3", &endpoint)]);
    let id = site.create_run(&patient_run()).await;
    hold.reached().await;
    proxy.stall();
    drop(hold);
    let pending = "SELECT count(*) FROM objects WHERE key LIKE 'models/%' AND state = 'pending'";
    wait_until("an upload under way", PATIENCE, async || (site.count(pending).await > 0).then_some(())).await;
    worker.signal(rustix::process::Signal::STOP);
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    let before = site.state().await;
    proxy.pass();
    worker.signal(rustix::process::Signal::CONT);
    site.logged(&worker, "lease lost").await;
    assert_eq!(site.state().await, before);
    check_published_once(&site, id).await;
    drop((worker, second));
    site.finish().await;
}
