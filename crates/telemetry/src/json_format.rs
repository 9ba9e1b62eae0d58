//! JSON log lines that carry the ids of their trace and span.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The JSON format with `trace_id` and `span_id` in front, if a trace is recorded.
pub(crate) struct JsonWithTraceIds(Format<Json>);

impl JsonWithTraceIds {
    pub(crate) fn new() -> Self {
        Self(tracing_subscriber::fmt::format().json().flatten_event(true))
    }
}

impl<S, N> FormatEvent<S, N> for JsonWithTraceIds
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let current = Context::current();
        let span = current.span().span_context().clone();
        if !span.is_valid() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(fields) => write!(writer, r#"{{"trace_id":"{}","span_id":"{}",{fields}"#, span.trace_id(), span.span_id()),
            None => writer.write_str(&line),
        }
    }
}
