//! Tests of the router: authentication, OpenAPI document, metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aprendiz_db::{Database, Session};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::operations::metrics_snapshot::render_metrics;
use super::operations::redis_probe::RedisStatus;
use super::router::open_api;
use super::{AppState, EventHub, router};
use crate::config::ApiConfig;

/// A service with an unreachable database: its responses do not depend on the database.
async fn service() -> Router {
    let options = PgConnectOptions::new().host("127.0.0.1").port(1).username("unused");
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(100));
    let database = Database::direct(Session::new(options), pool);
    let store = aprendiz_artifacts::StoreConfig { timeout: Duration::from_secs(1), ..aprendiz_artifacts::StoreConfig::new("none") };
    let store = aprendiz_artifacts::Store::connect(&store).await.expect("the settings are valid");
    let queue = aprendiz_queue::QueueConfig::new(&SecretString::from("redis://127.0.0.1:1"), "test", None).unwrap();
    let config = ApiConfig::for_tests();
    router(AppState::new(
        database,
        store,
        queue,
        config,
        EventHub::new(),
        crate::server::metrics::install(),
        CancellationToken::new(),
        Vec::new(),
    ))
}

/// Method, path with example values, and whether an API key is required, for every operation in the document.
fn operations() -> Vec<(Method, String, bool)> {
    let document: serde_json::Value = serde_json::from_str(&open_api().to_json().unwrap()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let needs_key = operation["security"].as_array().is_some_and(|needs| !needs.is_empty());
            let path = path
                .replace("{id}", "019aa2c8-0000-7000-8000-000000000000")
                .replace("{other}", "019aa2c8-0000-7000-8000-000000000001")
                .replace("{name}", "contracts")
                .replace("{number}", "1")
                .replace("{path}", "config.json")
                .replace("{field}", "law");
            found.push((method, path, needs_key));
        }
    }
    found
}

#[test]
fn the_document_is_openapi_3_1_with_the_security_scheme() {
    let document: serde_json::Value = serde_json::from_str(&open_api().to_json().unwrap()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
}

#[test]
fn every_documented_route_exists() {
    let paths: BTreeSet<String> = open_api().paths.paths.into_keys().collect();
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/v1/imports",
        "/v1/imports/legacy-csv",
        "/v1/imports/legacy-csv/score",
        "/v1/fields",
        "/v1/fields/{name}",
        "/v1/fields/{name}/history",
        "/v1/documents",
        "/v1/documents/{id}",
        "/v1/documents/{id}/annotations",
        "/v1/documents/{id}/annotations/{field}",
        "/v1/documents/{id}/annotations/{field}/history",
        "/v1/documents/{id}/lease",
        "/v1/annotations/export",
        "/v1/annotations/waiting",
        "/v1/annotations/accept",
        "/v1/documents/{id}/explain",
        "/v1/documents/index",
        "/v1/documents/{id}/lineage",
        "/v1/documents/{id}/erase",
        "/v1/training-runs",
        "/v1/training-runs/{id}",
        "/v1/training-runs/{id}/cancel",
        "/v1/training-runs/{id}/retry",
        "/v1/training-runs/{id}/explain",
        "/v1/training-runs/{id}/clone",
        "/v1/training-runs/retry",
        "/v1/workers",
        "/v1/workers/{id}",
        "/v1/workers/{id}/drain",
        "/v1/queue",
        "/v1/session",
        "/v1/keys",
        "/v1/keys/{id}",
        "/v1/sessions",
        "/v1/sessions/{id}",
        "/v1/audit-log",
        "/v1/training-runs/{id}/attempts",
        "/v1/training-runs/{id}/trials",
        "/v1/training-runs/{id}/metrics",
        "/v1/training-runs/{id}/events",
        "/v1/training-runs/{id}/ingest",
        "/v1/training-runs/{id}/evaluation",
        "/v1/training-runs/{id}/dataset",
        "/v1/training-runs/{id}/model",
        "/v1/datasets/{id}",
        "/v1/datasets/{id}/diff/{other}",
        "/v1/datasets/{id}/verify",
        "/v1/datasets/{id}/report",
        "/v1/datasets/{id}/conflicts",
        "/v1/datasets/{id}/lineage",
        "/v1/datasets/{id}/events",
        "/v1/models",
        "/v1/models/{name}/versions",
        "/v1/models/{name}/versions/{number}",
        "/v1/models/{name}/predict",
        "/training-runs",
        "/training-runs/{id}/dataset",
        "/training-runs/{id}/model",
        "/jobs",
        "/jobs/{id}",
        "/health",
    ] {
        assert!(paths.contains(path), "{path} is missing");
    }
}

#[tokio::test]
async fn every_route_except_the_probes_requires_a_key() {
    let service = service().await;
    for (method, path, needs_key) in operations() {
        let request = Request::builder().method(method.clone()).uri(&path).body(Body::empty()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        let status = response.status();
        if needs_key {
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        } else {
            // `/v1/session` and those of the provider sign in
            let sign_in = ["/v1/session", "/v1/session/providers", "/auth/oidc/start", "/auth/oidc/callback"];
            let public = ["/healthz", "/readyz", "/health", "/metrics", "/openapi.json"];
            assert!(public.contains(&path.as_str()) || sign_in.contains(&path.as_str()), "{path} requires no key");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_unavailable_database_is_reported_as_503() {
    let request = Request::builder().uri("/v1/models").header("authorization", "Bearer apz_1").body(Body::empty()).unwrap();
    let response = service().await.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn unknown_routes_and_methods_return_a_problem() {
    for (method, path, status) in
        [(Method::GET, "/v2/models", StatusCode::NOT_FOUND), (Method::DELETE, "/v1/models", StatusCode::METHOD_NOT_ALLOWED)]
    {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = service().await.oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}

/// Parses a page in Prometheus text format: name → type. Every sample must be a number of a metric declared before.
fn parse_metrics(page: &str) -> BTreeMap<String, String> {
    let mut kinds = BTreeMap::new();
    let mut explained = BTreeSet::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(!words.is_empty() && explained.insert(name.to_owned()), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(explained.contains(name) && kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            value.parse::<f64>().unwrap_or_else(|error| panic!("{line}: {error}"));
            let name = sample.split('{').next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            let kind = kinds.get(name).or_else(|| kinds.get(base));
            assert!(kind.is_some(), "{line} has no TYPE line");
        }
    }
    kinds
}

async fn scrape(service: &Router) -> String {
    let request = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn metrics_are_served_while_database_and_redis_are_unavailable() {
    let service = service().await;
    scrape(&service).await;
    let page = scrape(&service).await;
    let kinds = parse_metrics(&page);
    assert!(page.contains("aprendiz_up{service=\"database\"} 0\n"), "{page}");
    assert!(page.contains("aprendiz_up{service=\"redis\"} 0\n"), "{page}");
    assert!(page.contains("aprendiz_http_requests_total{method=\"GET\",route=\"/metrics\",status=\"200\"}"), "{page}");
    assert_eq!(kinds["aprendiz_http_request_duration_seconds"], "histogram");
    assert_eq!(kinds["aprendiz_wakeups_published_total"], "counter");
    assert!(!kinds.contains_key("aprendiz_runs"), "{page}");
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_exists() {
    let service = service().await;
    scrape(&service).await;
    let task = aprendiz_runs::TaskStatus {
        name: "relay".to_owned(),
        overdue_after_seconds: 30.0,
        success_age_seconds: Some(1.0),
        failure_age_seconds: None,
        error: None,
    };
    let stats = aprendiz_runs::InstallationStats { background_tasks: vec![task], ..Default::default() };
    let redis = RedisStatus { depth: Some(0), fault: None };
    let page = scrape(&service).await + &render_metrics(Some(&stats), redis);
    let exposed: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let documented: BTreeSet<&str> = include_str!("../../../docs/API.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `aprendiz_"))
        .map(|line| line.split(['{', '`']).next().unwrap())
        // metrics of the worker and of the inference process
        .filter(|name| !name.starts_with("worker_") && !name.starts_with("inference_"))
        .collect();
    let exposed: BTreeSet<&str> = exposed.iter().map(|name| name.strip_prefix("aprendiz_").unwrap()).collect();
    assert_eq!(exposed, documented);
}

#[tokio::test]
async fn unknown_paths_and_methods_create_no_new_series() {
    let service = service().await;
    for (method, path) in [("GET", "/no/such/path/1"), ("GET", "/no/such/path/2"), ("BREW", "/healthz")] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        service.clone().oneshot(request).await.unwrap();
    }
    let page = scrape(&service).await;
    assert!(page.contains("method=\"other\",route=\"/healthz\""), "{page}");
    assert!(page.contains("route=\"(none)\",status=\"404\""), "{page}");
    assert!(!page.contains("BREW") && !page.contains("/no/such"), "{page}");
}
