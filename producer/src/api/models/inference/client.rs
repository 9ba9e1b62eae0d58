//! Client of the inference process, which predicts with models whose encoder this process cannot compute.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aprendiz_inference::protocol::{
    HEALTH_PATH, PREDICT_PATH, PredictionRequest, PredictionResponse, Refusal, RefusalReason, ServedPrediction, ServedVersion,
};
use aprendiz_runs::ModelVersion;
use axum::http::StatusCode;
use reqwest::Client;
use tracing::warn;

use crate::api::http::error::ApiError;

/// Host of the addresses, which a Unix domain socket does not use.
const HOST: &str = "http://inference";
/// Part of the time of a request that is left to read and write it.
const RESPONSE_TIME: Duration = Duration::from_millis(500);

/// A connection to the inference process of this host; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct InferenceClient {
    client: Client,
    socket: PathBuf,
    timeout: Duration,
}

impl InferenceClient {
    /// A client of the process that listens on `socket`, which need not run yet. `timeout` is that of the requests of the API.
    pub(crate) fn new(socket: &Path, timeout: Duration) -> anyhow::Result<Self> {
        let client = Client::builder().unix_socket(socket).build()?;
        Ok(Self { client, socket: socket.to_owned(), timeout: timeout.saturating_sub(RESPONSE_TIME).max(RESPONSE_TIME) })
    }

    /// The same client with a shorter timeout.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout: timeout.min(self.timeout), ..self.clone() }
    }

    /// Predicts the fields of texts with a version.
    pub(crate) async fn predict(
        &self,
        version: &ModelVersion,
        texts: Vec<String>,
        top_k: usize,
    ) -> Result<Vec<Vec<ServedPrediction>>, ApiError> {
        let expected = texts.len();
        let request = PredictionRequest {
            version: ServedVersion {
                model: version.model.clone(),
                number: version.number,
                object_prefix: version.object_prefix.clone(),
                manifest_sha256: version.manifest_sha256.clone(),
            },
            texts,
            top_k,
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
        };
        // a process that hangs does not refuse requests whose time is over
        let timeout = self.timeout + RESPONSE_TIME / 2;
        let sent = self.client.post(format!("{HOST}{PREDICT_PATH}")).timeout(timeout).json(&request).send().await;
        let response = sent.map_err(|error| self.unavailable(error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.unavailable(error))?;
        if !status.is_success() {
            let refusal = serde_json::from_slice(&body).map_err(|error| {
                ApiError::internal(
                    anyhow::Error::new(error).context(format!("the inference process has answered {status} without a reason")),
                )
            })?;
            return Err(refused(version, refusal));
        }
        let PredictionResponse { predictions } = serde_json::from_slice(&body).map_err(ApiError::internal)?;
        if predictions.len() != expected {
            let error = anyhow::anyhow!("the inference process has answered {} of {expected} texts", predictions.len());
            return Err(ApiError::internal(error));
        }
        Ok(predictions)
    }

    /// Whether the process answers.
    pub(crate) async fn check(&self, timeout: Duration) -> Result<(), ApiError> {
        let response = self.client.get(format!("{HOST}{HEALTH_PATH}")).timeout(timeout).send().await;
        response.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| self.unavailable(error))
    }

    fn unavailable(&self, error: reqwest::Error) -> ApiError {
        let source = anyhow::Error::new(error).context(format!("inference process at {}", self.socket.display()));
        let detail = "the inference process of this server does not answer: try again; if that lasts, start `aprendiz-worker serve-models` \
                      on the host of the server, or the server with --with-inference";
        ApiError::unavailable("inference_unavailable", detail, source)
    }
}

/// The error of a request that the process refuses.
fn refused(version: &ModelVersion, refusal: Refusal) -> ApiError {
    let Refusal { reason, detail } = refusal;
    match reason {
        RefusalReason::Overloaded => ApiError::overloaded(detail),
        RefusalReason::TimedOut => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", detail),
        RefusalReason::ShuttingDown => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "inference_unavailable", detail),
        // the cause may name the bucket and the key ID, so it is only logged
        RefusalReason::FilesUnavailable => {
            let public = format!(
                "the inference process cannot download model `{}` version {}: try again; `aprendiz doctor` checks the object store",
                version.model, version.number
            );
            ApiError::unavailable("inference_unavailable", public, anyhow::anyhow!(detail))
        }
        RefusalReason::ModelTooLarge => ApiError::conflict("model_too_large", detail),
        RefusalReason::InvalidRequest | RefusalReason::InvalidModel | RefusalReason::Failed => {
            warn!(model.name = version.model, model.number = version.number, "the inference process could not predict");
            ApiError::internal(anyhow::anyhow!("inference process: {detail}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_does_not_run_is_named_with_the_way_out() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let client = InferenceClient::new(&dir.path().join("none"), Duration::from_secs(1)).unwrap();
        let error = client.check(Duration::from_secs(5)).await.unwrap_err();
        assert!(error.is_server_error() && error.detail().contains("--with-inference"), "{error:?}");
        assert!(!error.detail().contains("none"), "the path is not for clients");
    }
}
