//! Registers the Prometheus metrics of this process; values are set where they arise.

use anyhow::{Context as _, Result};
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Histogram buckets in seconds: from a phase with nothing to do up to a day.
const SECONDS_BUCKETS: [f64; 12] = [0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];

/// Installs the recorder and describes every metric.
pub(crate) fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .context("invalid histogram buckets")?
        .install_recorder()
        .context("cannot install the metrics recorder")?;
    describe_gauge!("aprendiz_worker_slots", "Maximum number of concurrent runs");
    describe_gauge!("aprendiz_worker_busy_slots", "Number of runs in progress");
    describe_gauge!("aprendiz_worker_listening", "1 while the worker is connected to the queue, 0 otherwise");
    describe_gauge!("aprendiz_worker_heartbeat_age_seconds", Unit::Seconds, "Time since the last successful heartbeat");
    describe_counter!("aprendiz_worker_attempts_total", "Ended attempts by run kind and outcome");
    describe_histogram!("aprendiz_worker_phase_seconds", Unit::Seconds, "Duration of each phase of a run");
    describe_counter!("aprendiz_worker_lease_renewals_total", "Lease renewals by outcome: renewed, failed");
    describe_gauge!("aprendiz_worker_examples_per_second", "Training throughput as last reported");
    describe_counter!("aprendiz_worker_checkpoints_total", "Checkpoint uploads by outcome: uploaded, failed");
    describe_counter!("aprendiz_worker_embeddings_total", "Base-model embeddings needed by evaluations, by outcome: cached, computed");
    describe_counter!("aprendiz_worker_uploaded_bytes_total", Unit::Bytes, "Bytes uploaded to the object store");
    metrics::gauge!("aprendiz_worker_busy_slots").set(0.0);
    Ok(handle)
}
