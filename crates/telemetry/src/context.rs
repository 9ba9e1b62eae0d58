//! The W3C trace context: which span of another process is the parent of a span of this one.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{FutureExt as _, SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;

const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";

/// Longest `tracestate` that is kept, in bytes: every participant must pass on this much.
const MAX_TRACE_STATE_BYTES: usize = 512;

/// Identifies a span across processes: the values of the headers `traceparent` and `tracestate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// The span in which the caller runs; `None` if this process records no traces.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::from_span(Context::current().span().span_context())
    }

    /// Parses the values of the headers; `None` if `traceparent` is malformed. A malformed or too long `tracestate` is left out.
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        // the propagator accepts shorter ids
        let parts: Vec<usize> = parent.trim().split('-').map(str::len).collect();
        if !matches!(parts[..], [2, 32, 16, 2, ..]) {
            return None;
        }
        let state = state.filter(|state| state.len() <= MAX_TRACE_STATE_BYTES);
        let mut headers = HashMap::from([(TRACE_PARENT.to_owned(), parent.to_owned())]);
        headers.extend(state.map(|state| (TRACE_STATE.to_owned(), state.to_owned())));
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        Self::from_span(context.span().span_context())
    }

    fn from_span(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| {
            let state = span.trace_state().header();
            let state = Some(state).filter(|state| !state.is_empty() && state.len() <= MAX_TRACE_STATE_BYTES);
            Self { parent: format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8() & 1), state }
        })
    }

    /// The value of `traceparent`.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of `tracestate`, if it is not empty.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The context in which a span becomes a child of this one.
    pub(crate) fn to_context(&self) -> Context {
        let mut headers = HashMap::from([(TRACE_PARENT.to_owned(), self.parent.clone())]);
        headers.extend(self.state.clone().map(|state| (TRACE_STATE.to_owned(), state)));
        TraceContextPropagator::new().extract_with_context(&Context::new(), &headers)
    }
}

/// Runs a future without recording its database statements: for what repeats as long as a run, such as the renewal of its lease.
pub fn untraced<F: Future>(future: F) -> impl Future<Output = F::Output> {
    future.with_context(Context::current().with_telemetry_suppressed())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_context_survives_a_round_trip() {
        let context = TraceContext::parse(PARENT, Some("vendor=a:1,other=2")).unwrap();
        assert_eq!((context.parent(), context.state()), (PARENT, Some("vendor=a:1,other=2")));
        assert_eq!(TraceContext::from_span(context.to_context().span().span_context()), Some(context));
    }

    #[test]
    fn a_malformed_trace_context_is_dropped() {
        let zero_trace = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let zero_span = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        for parent in ["", "<script>", "00-4bf9-00f0-01", zero_trace, zero_span, &PARENT.to_uppercase().replace("00-4", "ff-4")] {
            assert_eq!(TraceContext::parse(parent, None), None, "{parent}");
        }
    }

    #[test]
    fn a_malformed_or_long_state_does_not_cost_the_parent() {
        for state in ["no-pair".to_owned(), format!("a={}", "x".repeat(600))] {
            let context = TraceContext::parse(PARENT, Some(&state)).unwrap();
            assert_eq!((context.parent(), context.state()), (PARENT, None), "{state}");
        }
    }

    #[test]
    fn without_export_there_is_no_current_context() {
        assert_eq!(TraceContext::current(), None);
    }
}
