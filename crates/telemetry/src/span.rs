//! Changes of single spans: their parent, attributes and status.

use std::time::SystemTime;

use opentelemetry::trace::{Span as _, SpanBuilder, Status, Tracer as _};
use opentelemetry::{KeyValue, Value, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::context::TraceContext;
use crate::start::TRACER;

/// Makes a span the child of a span of another process. Call it before the span is entered.
pub fn continue_trace(span: &Span, parent: &TraceContext) {
    // fails if nothing is exported
    let _ = span.set_parent(parent.to_context());
}

/// Sets an attribute of the exported span. Log messages do not show it.
pub fn set_attribute(span: &Span, key: &'static str, value: impl Into<Value>) {
    span.set_attribute(key, value);
}

/// Marks the exported span as failed.
pub fn fail_span(span: &Span, description: impl Into<String>) {
    span.set_status(Status::error(description.into()));
}

/// Exports a span that has already ended, as a child of a span of another process.
pub fn record_span(name: &'static str, parent: &TraceContext, start: SystemTime, end: SystemTime, attributes: &[(&'static str, String)]) {
    let attributes = attributes.iter().map(|(key, value)| KeyValue::new(*key, value.clone())).collect();
    // clocks of hosts differ: a span never ends before its start
    let builder = SpanBuilder { start_time: Some(start.min(end)), attributes: Some(attributes), ..SpanBuilder::from_name(name) };
    let mut span = global::tracer(TRACER).build_with_context(builder, &parent.to_context());
    span.end_with_timestamp(end);
}
