//! Spans of SQL statements, from the events that sqlx emits when a statement ends.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer;

/// Target of the events.
const TARGET: &str = "sqlx::query";

/// Exports a span for each statement that is executed within a recorded span. A statement contains no values: they are parameters.
pub(crate) struct SqlSpans(pub(crate) SdkTracer);

/// Whether the layer needs an event.
pub(crate) fn is_statement(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target() == TARGET
}

impl<S: Subscriber> Layer<S> for SqlSpans {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let parent = Context::current();
        // background tasks such as the relay have no trace
        if parent.is_telemetry_suppressed() || !parent.span().span_context().is_sampled() {
            return;
        }
        let mut statement = Statement::default();
        event.record(&mut statement);
        let end = SystemTime::now();
        let start = end.checked_sub(statement.elapsed).unwrap_or(end);
        let name = statement.summary.trim_end_matches(" …").to_owned();
        let text = if statement.text.trim().is_empty() { name.clone() } else { statement.text.trim().to_owned() };
        let builder = SpanBuilder {
            span_kind: Some(SpanKind::Client),
            start_time: Some(start),
            attributes: Some(vec![
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.query.text", text),
                KeyValue::new("db.response.returned_rows", statement.rows_returned),
            ]),
            ..SpanBuilder::from_name(name)
        };
        self.0.build_with_context(builder, &parent).end_with_timestamp(end);
    }
}

#[derive(Default)]
struct Statement {
    /// The first words.
    summary: String,
    /// The whole statement; empty if it has only these words.
    text: String,
    rows_returned: i64,
    elapsed: Duration,
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "rows_returned" {
            self.rows_returned = value.try_into().unwrap_or(i64::MAX);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
