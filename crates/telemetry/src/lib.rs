//! Logs and traces of a process: log format, export of spans over OTLP, and the trace context that travels between processes.
//!
//! Spans and log messages are those of the crate `tracing`. Without [`TraceConfig`] nothing is exported, and the functions of the trace
//! context do nothing.

mod context;
mod error;
mod export;
mod json_format;
mod service;
mod settings;
mod span;
mod sql_spans;
mod start;

pub use context::{TraceContext, untraced};
pub use error::TelemetryError;
pub use service::Service;
pub use settings::{LogConfig, TraceConfig, TraceSampler};
pub use span::{continue_trace, fail_span, record_span, set_attribute};
pub use start::{Telemetry, start};
