//! Export of spans over OTLP, as protobuf over HTTP.

mod client;
mod conventions;

use std::collections::HashMap;

use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use secrecy::ExposeSecret as _;

use crate::error::TelemetryError;
use crate::export::client::CollectorClient;
use crate::export::conventions::ConventionalSpans;
use crate::service::Service;
use crate::settings::{TraceConfig, TraceSampler};

/// Creates the provider of tracers. Spans wait in a queue in memory, which a thread of its own sends; when the queue is full, further
/// spans are dropped. The SDK reads the limits of the queue from `OTEL_BSP_*`, and the attributes of the resource.
pub(crate) fn provider(config: &TraceConfig, service: Service) -> Result<SdkTracerProvider, TelemetryError> {
    let headers: HashMap<String, String> =
        config.headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(CollectorClient::new(config)?)
        .with_endpoint(&config.endpoint)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(config.timeout)
        .with_headers(headers)
        .build()
        .map_err(|error| TelemetryError::Exporter(error.to_string()))?;
    let mut resource = Resource::builder();
    if !config.is_service_named {
        resource = resource.with_service_name(service.name);
    }
    let resource = resource.with_attribute(opentelemetry::KeyValue::new("service.version", service.version)).build();
    Ok(SdkTracerProvider::builder()
        .with_sampler(sampler(config.sampler))
        .with_resource(resource)
        .with_batch_exporter(ConventionalSpans(exporter))
        .build())
}

fn sampler(sampler: TraceSampler) -> Sampler {
    let parent_based = |root: Sampler| Sampler::ParentBased(Box::new(root));
    match sampler {
        TraceSampler::AlwaysOn => Sampler::AlwaysOn,
        TraceSampler::AlwaysOff => Sampler::AlwaysOff,
        TraceSampler::Ratio(ratio) => Sampler::TraceIdRatioBased(ratio),
        TraceSampler::ParentBasedAlwaysOn => parent_based(Sampler::AlwaysOn),
        TraceSampler::ParentBasedAlwaysOff => parent_based(Sampler::AlwaysOff),
        TraceSampler::ParentBasedRatio(ratio) => parent_based(Sampler::TraceIdRatioBased(ratio)),
    }
}
