//! The numbers of this process for Prometheus: their names, and the recorder that keeps them. What is read from the database at
//! each scrape is in `api/metrics.rs`; what each number means to an operator is in `docs/API.md`.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(crate) const ANNOUNCED: &str = "aprendiz_announced_total";
pub(crate) const RELAY_ERRORS: &str = "aprendiz_relay_errors_total";
pub(crate) const REAPED: &str = "aprendiz_reaped_total";
pub(crate) const SWEPT: &str = "aprendiz_swept_objects_total";
pub(crate) const REQUESTS: &str = "aprendiz_http_requests_total";
pub(crate) const REQUEST_SECONDS: &str = "aprendiz_http_request_duration_seconds";
pub(crate) const CONNECTIONS: &str = "aprendiz_database_connections";

/// From a probe to the longest that an ordinary request may take.
const REQUEST_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// What is recorded is folded together so often, should nobody scrape.
const KEEP_UP_EVERY: Duration = Duration::from_secs(5);

/// The recorder of this process; installed at the first call.
pub(crate) fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &REQUEST_BUCKETS)
            .expect("there are buckets");
        let handle = builder.install_recorder().expect("no other recorder is installed");
        describe();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

/// Folds recorded values together until shutdown: without it memory grows while nobody scrapes.
pub(crate) async fn keep_up(handle: PrometheusHandle, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(sleep(KEEP_UP_EVERY)).await.is_some() {
        handle.run_upkeep();
    }
}

fn describe() {
    describe_counter!(ANNOUNCED, "Runs announced in Redis by this process, repetitions included");
    describe_counter!(RELAY_ERRORS, "Times the relay of this process stopped because database or Redis were away");
    describe_counter!(REAPED, "Attempts with an expired lease that this process ended, by what became of the run");
    describe_counter!(SWEPT, "Objects that this process deleted from the bucket because nothing refers to them");
    describe_counter!(REQUESTS, "HTTP requests answered, by method, route and status");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time from request to the head of its answer, by route");
    describe_gauge!(CONNECTIONS, "Connections of the API to the database, by whether they are in use");
    // a rate can only be taken from a number that was there before
    for name in [ANNOUNCED, RELAY_ERRORS, SWEPT] {
        counter!(name).absolute(0);
    }
    for outcome in ["requeued", "failed", "cancelled"] {
        counter!(REAPED, "outcome" => outcome).absolute(0);
    }
}
