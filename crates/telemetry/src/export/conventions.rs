//! Names and attributes of exported spans, by the semantic conventions of OpenTelemetry.
//!
//! They differ from the fields of log messages, and are derived on the thread of the exporter.

use std::time::Duration;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Key, Value};
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// Exports spans under their conventional names.
#[derive(Debug)]
pub(crate) struct ConventionalSpans(pub(crate) OtlpExporter);

impl SpanExporter for ConventionalSpans {
    fn export(&self, mut batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        batch.iter_mut().for_each(apply);
        self.0.export(batch)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn apply(span: &mut SpanData) {
    match span.name.as_ref() {
        "request" => {
            span.span_kind = SpanKind::Server;
            if let (Some(method), Some(route)) = (attribute(span, "http.method"), attribute(span, "http.route")) {
                span.name = format!("{method} {route}").into();
            }
        }
        "attempt" => span.span_kind = SpanKind::Consumer,
        name if name.starts_with("S3.") => span.span_kind = SpanKind::Client,
        _ => {}
    }
    // the span has a parent instead
    span.attributes.retain(|attribute| attribute.key.as_str() != "trace.parent");
    for attribute in &mut span.attributes {
        if attribute.key.as_str() == "http.method" {
            attribute.key = Key::from_static_str("http.request.method");
        }
    }
}

fn attribute<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|attribute| &attribute.value)
}
