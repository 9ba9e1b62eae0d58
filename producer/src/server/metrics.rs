//! Metrics of this process: their names and the Prometheus recorder. Metrics of the whole installation are in
//! `api/operations/metrics_snapshot.rs`; `docs/API.md` explains all of them to operators.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(crate) const WAKEUPS_PUBLISHED: &str = "aprendiz_wakeups_published_total";
pub(crate) const RELAY_ERRORS: &str = "aprendiz_relay_errors_total";
pub(crate) const REAPED_ATTEMPTS: &str = "aprendiz_reaped_total";
pub(crate) const SWEPT_OBJECTS: &str = "aprendiz_swept_objects_total";
pub(crate) const SHADOW_INPUTS: &str = "aprendiz_shadow_inputs_total";
pub(crate) const REQUESTS: &str = "aprendiz_http_requests_total";
pub(crate) const REQUEST_SECONDS: &str = "aprendiz_http_request_duration_seconds";
pub(crate) const REJECTED: &str = "aprendiz_http_rejected_total";
pub(crate) const SLOTS: &str = "aprendiz_http_slots_used";
pub(crate) const CONNECTIONS: &str = "aprendiz_database_connections";

/// Bucket bounds in seconds, from a probe up to the default request timeout.
const REQUEST_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Interval of the recorder's upkeep.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The recorder of this process; installed on the first call.
pub(crate) fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &REQUEST_BUCKETS)
            .expect("the bucket list is not empty");
        let handle = builder.install_recorder().expect("no other recorder is installed");
        describe();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

/// Aggregates recorded histogram values until shutdown. Without it memory would grow while the metrics are not scraped.
pub(crate) async fn run_upkeep(handle: PrometheusHandle, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(sleep(UPKEEP_INTERVAL)).await.is_some() {
        handle.run_upkeep();
    }
}

fn describe() {
    describe_counter!(WAKEUPS_PUBLISHED, "Wake-ups published to Redis by this process, repetitions included");
    describe_counter!(RELAY_ERRORS, "Interruptions of the relay of this process by an unavailable database or Redis");
    describe_counter!(REAPED_ATTEMPTS, "Attempts with an expired lease that this process ended, by outcome for the run");
    describe_counter!(SWEPT_OBJECTS, "Unreferenced objects deleted from the bucket by this process");
    describe_counter!(SHADOW_INPUTS, "Inputs on which this process compared challengers with champions, or dropped them, by outcome");
    describe_counter!(REQUESTS, "HTTP requests by method, route and status");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time until the response headers in seconds, by route");
    describe_counter!(REJECTED, "Requests and connections rejected because a limit was reached, by limit");
    describe_gauge!(SLOTS, "Slots in use, by class of request");
    describe_gauge!(CONNECTIONS, "Database connections of the API pool, by state");
    // initialized to 0, because a rate needs a previous value
    for name in [WAKEUPS_PUBLISHED, RELAY_ERRORS, SWEPT_OBJECTS] {
        counter!(name).absolute(0);
    }
    counter!(REJECTED, "limit" => "requests").absolute(0);
    for outcome in ["compared", "queue_full", "failed"] {
        counter!(SHADOW_INPUTS, "outcome" => outcome).absolute(0);
    }
    for outcome in ["requeued", "failed", "cancelled"] {
        counter!(REAPED_ATTEMPTS, "outcome" => outcome).absolute(0);
    }
}
