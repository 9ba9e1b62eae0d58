//! The metrics of this process: their names and what they mean. Values are set where they arise.

use anyhow::{Context as _, Result};
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of durations: from a phase that finds its work done to one that takes a day.
const SECONDS: [f64; 12] = [0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];

/// Installs the recorder and describes every metric.
pub(crate) fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .context("bounds of durations")?
        .install_recorder()
        .context("cannot install the recorder of metrics")?;
    describe_gauge!("aprendiz_worker_slots", "Runs that this worker carries out at once");
    describe_gauge!("aprendiz_worker_busy_slots", "Runs that it carries out now");
    describe_gauge!("aprendiz_worker_listening", "1 while announcements are heard");
    describe_gauge!("aprendiz_worker_heartbeat_age_seconds", Unit::Seconds, "Time since the database took a heartbeat of this worker");
    describe_counter!("aprendiz_worker_attempts_total", "Attempts that ended, by kind of run and outcome");
    describe_histogram!("aprendiz_worker_phase_seconds", Unit::Seconds, "Time in each phase of a run");
    describe_counter!("aprendiz_worker_lease_renewals_total", "Renewals of leases, by outcome");
    describe_gauge!("aprendiz_worker_examples_per_second", "Examples per second of the newest progress of a training");
    describe_counter!("aprendiz_worker_checkpoints_total", "Checkpoints uploaded, by outcome");
    describe_counter!("aprendiz_worker_embeddings_total", "Vectors of base models that evaluations needed, by outcome: known, computed");
    describe_counter!("aprendiz_worker_uploaded_bytes_total", Unit::Bytes, "Bytes uploaded to the object store");
    metrics::gauge!("aprendiz_worker_busy_slots").set(0.0);
    Ok(handle)
}
