//! Prometheus metrics of the inference process.

use anyhow::{Context as _, Result};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub(super) const REQUESTS: &str = "aprendiz_inference_requests_total";
pub(super) const REQUEST_SECONDS: &str = "aprendiz_inference_request_seconds";
pub(super) const QUEUED: &str = "aprendiz_inference_queued_requests";
pub(super) const TEXTS: &str = "aprendiz_inference_texts_total";
pub(super) const BATCH_TEXTS: &str = "aprendiz_inference_batch_texts";
pub(super) const PIECE_SECONDS: &str = "aprendiz_inference_piece_seconds";
pub(super) const LOADED_MODELS: &str = "aprendiz_inference_loaded_models";
pub(super) const MEMORY: &str = "aprendiz_inference_model_bytes";
pub(super) const LOADS: &str = "aprendiz_inference_loads_total";
pub(super) const LOAD_SECONDS: &str = "aprendiz_inference_load_seconds";

/// Bucket bounds in seconds, from a short text to the default timeout of a request.
const SECONDS_BUCKETS: [f64; 11] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Bucket bounds of the texts of a batch.
const TEXTS_BUCKETS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// Installs the recorder and describes every metric.
pub(super) fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(BATCH_TEXTS.to_owned()), &TEXTS_BUCKETS))
        .context("invalid histogram buckets")?
        .install_recorder()
        .context("cannot install the metrics recorder")?;
    describe_counter!(REQUESTS, "Requests for predictions by outcome");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time until the answer of a request");
    describe_gauge!(QUEUED, "Requests that wait or are computed");
    describe_counter!(TEXTS, "Texts by outcome: computed, failed");
    describe_histogram!(BATCH_TEXTS, "Texts of the requests that were collected into a batch");
    describe_histogram!(PIECE_SECONDS, Unit::Seconds, "Duration of the computation of texts that are computed together");
    describe_gauge!(LOADED_MODELS, "Models in memory");
    describe_gauge!(MEMORY, Unit::Bytes, "Size of the files of the models in memory");
    describe_counter!(LOADS, "Loaded models by outcome: loaded, failed");
    describe_histogram!(LOAD_SECONDS, Unit::Seconds, "Time to download and load a model");
    // initialized to 0, because a rate needs a previous value
    for outcome in ["computed", "failed"] {
        counter!(TEXTS, "outcome" => outcome).absolute(0);
    }
    for outcome in ["loaded", "failed"] {
        counter!(LOADS, "outcome" => outcome).absolute(0);
    }
    for name in [QUEUED, LOADED_MODELS, MEMORY] {
        gauge!(name).set(0.0);
    }
    Ok(handle)
}
