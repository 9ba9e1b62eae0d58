//! The HTTP client of the exporter.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Runtime;

use crate::error::TelemetryError;
use crate::settings::TraceConfig;

/// Sends spans on the thread of the exporter, with a runtime of its own: neither a slow collector nor a busy process waits for the other.
#[derive(Debug)]
pub(crate) struct CollectorClient {
    http: reqwest::Client,
    runtime: Runtime,
    /// Whether the last request failed. Each outage is logged once.
    failing: AtomicBool,
}

impl CollectorClient {
    pub(crate) fn new(config: &TraceConfig) -> Result<Self, TelemetryError> {
        let failed = |error: &dyn Display| TelemetryError::Exporter(error.to_string());
        let mut http = reqwest::Client::builder()
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            // between two requests nothing drives the runtime, so it would not notice that the other side closed a connection
            .pool_max_idle_per_host(0);
        if let Some(path) = &config.certificate {
            let file =
                |problem: &dyn Display| TelemetryError::Exporter(format!("OTEL_EXPORTER_OTLP_CERTIFICATE: {}: {problem}", path.display()));
            let pem = std::fs::read(path).map_err(|error| file(&error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| file(&error))?;
            http = http.tls_certs_merge(certificates);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
        Ok(Self { http: http.build().map_err(|error| failed(&error))?, runtime, failing: AtomicBool::new(false) })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let mut response = self.http.execute(request.try_into()?).await?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut answer = Response::new(response.bytes().await?);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }

    fn report(&self, failure: Option<String>) {
        let failed = failure.is_some();
        let has_changed = self.failing.swap(failed, Ordering::Relaxed) != failed;
        match failure {
            Some(error) if has_changed => {
                tracing::warn!(error, "cannot export traces, spans are dropped until the collector of OTEL_EXPORTER_OTLP_ENDPOINT answers");
            }
            None if has_changed => tracing::info!("traces are exported again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // the batch processor calls this on its own thread, which has no runtime
        let result = self.runtime.block_on(self.send(request)).map_err(reqwest::Error::without_url);
        self.report(match &result {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector answered {}", response.status())),
            Err(error) => Some(describe(error)),
        });
        Ok(result?)
    }
}

/// The error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
