//! One trace across processes: from the request that creates a run to the publication of its model.

use std::collections::BTreeSet;

use aprendiz_test_support::wait_until;
use serde_json::{Value, json};

use crate::fixture::collector::{CollectedSpan, Collector};
use crate::fixture::exports::contracts;
use crate::fixture::{TIMEOUT, TestApp, evaluation_spec, expect_json, parse_id, training_spec};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";
/// A header of the exporter, which must not be an attribute.
const SECRET: &str = "correct-horse-battery";

#[tokio::test]
async fn request_and_phases_statements_and_objects_of_a_run_are_one_trace() {
    let collector = Collector::start().await;
    let header = format!("api-key={SECRET}");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_EXPORTER_OTLP_HEADERS", header.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("APRENDIZ_LOG_FORMAT", "json"),
    ];
    let app = TestApp::start_with(&[], &variables).await;
    app.import(contracts()).await;
    let worker = app.env.worker("worker", &variables);

    let parent = format!("00-{TRACE}-{CLIENT_SPAN}-01");
    let request = app.api().post("/v1/training-runs").header("traceparent", parent).header("tracestate", "vendor=7");
    let created = expect_json(request.json(&training_spec()), 202).await;
    assert_eq!(created["trace_id"], TRACE, "{created}");
    let run = app.wait_for_success(parse_id(&created)).await;

    let spans = wait_until("the span of the attempt", TIMEOUT, async || {
        let spans: Vec<CollectedSpan> = collector.spans().into_iter().filter(|span| span.trace_id == TRACE).collect();
        spans.iter().any(|span| span.name == "attempt").then_some(spans)
    })
    .await;
    let one = |name: &str| {
        let found: Vec<&CollectedSpan> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name}: {:?}", names(&spans));
        found[0]
    };
    let (request, attempt) = (one("POST /v1/training-runs"), one("attempt"));
    assert_eq!((request.parent.as_str(), request.service.as_str()), (CLIENT_SPAN, "aprendiz"));
    assert_eq!(request.attributes["http.response.status_code"], "202");
    assert_eq!((&attempt.parent, attempt.service.as_str()), (&request.id, "aprendiz-worker"));
    assert_eq!(attempt.attributes["training_run.id"], run["id"]);
    assert_eq!(attempt.attributes["attempt.outcome"], "succeeded");
    assert!(spans.iter().all(|span| span.trace_state == "vendor=7"), "{spans:?}");
    for name in ["queued", "claim"] {
        assert_eq!(one(name).parent, request.id, "{name}");
    }
    for phase in ["dataset", "train", "evaluate", "upload", "publish"] {
        assert_eq!(one(phase).parent, attempt.id, "{phase}");
    }
    let parents = |prefix: &str| -> BTreeSet<&str> {
        let children = spans.iter().filter(|span| span.name.starts_with(prefix));
        children.filter_map(|child| spans.iter().find(|span| span.id == child.parent)).map(|span| span.name.as_str()).collect()
    };
    assert!(parents("upload_object").is_superset(&["dataset", "upload"].into()), "{:?}", parents("upload_object"));
    assert_eq!(parents("S3.PutObject"), ["upload_object"].into());
    assert!(parents("INSERT INTO model_versions").contains("publish"), "{:?}", parents("INSERT INTO"));
    assert!(parents("INSERT INTO training_runs").contains("POST /v1/training-runs"), "{:?}", parents("INSERT INTO"));

    check_attributes(&app, &spans);
    assert!(collector.header("api-key").iter().all(|value| value.as_deref() == Some(SECRET)));
    // the log names the trace
    let line =
        worker.log().lines().find(|line| line.contains("run succeeded")).map(str::to_owned).unwrap_or_else(|| panic!("{}", worker.log()));
    let line: Value = serde_json::from_str(&line).expect("the log is JSON");
    assert_eq!((&line["trace_id"], &line["span_id"]), (&json!(TRACE), &json!(attempt.id)), "{line}");
    drop(worker);
    app.finish().await;
}

/// Statements are there without their parameters, and nothing secret is.
fn check_attributes(app: &TestApp, spans: &[CollectedSpan]) {
    let attributes = format!("{spans:?}");
    assert!(attributes.contains("FROM training_runs"), "{attributes}");
    let password = app.env.database.url().split([':', '@']).nth(2).expect("the URL has a password").to_owned();
    for secret in [SECRET, app.server.admin_key(), &password] {
        assert!(!attributes.contains(secret), "a secret is in a span");
    }
    // what repeats as long as an attempt is left out
    assert!(!attributes.contains("SET lease_expires_at"), "{attributes}");
}

#[tokio::test]
async fn a_collector_that_is_away_fails_nothing() {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let app = TestApp::start_with(&[], &variables).await;
    app.import(contracts()).await;
    let worker = app.env.worker("worker", &variables);
    let id = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(id).await;
    app.wait_for_log(&worker, "cannot export traces").await;
    worker.terminate();
    app.wait_for_log(&worker, "worker stopped").await;
    drop(worker);
    app.finish().await;
}

fn names(spans: &[CollectedSpan]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}
