//! Start and end of logs and traces of a process.

use std::io::IsTerminal as _;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::error::TelemetryError;
use crate::export;
use crate::json_format::JsonWithTraceIds;
use crate::service::Service;
use crate::settings::{LogConfig, TraceConfig};
use crate::sql_spans::{SqlSpans, is_statement};

/// Name of the tracer.
pub(crate) const TRACER: &str = "aprendiz";

/// Time that spans still in memory get at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The running export of traces, if there is one.
#[derive(Debug)]
#[must_use = "spans in memory are lost unless `finish` is called"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sends the spans that are still in memory, for two seconds at most.
    pub fn finish(self) {
        if let Some(provider) = self.provider {
            // a collector that is away was already logged
            let _ = provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// Installs the log subscriber, which writes to standard error, and starts the export of traces if it is configured. `default` is the log
/// filter if `RUST_LOG` is not set. TLS needs the crypto provider of the process, so install it before.
///
/// # Errors
/// The log filter is invalid, the exporter cannot be created, or a subscriber is already installed.
pub fn start(logs: &LogConfig, default: &str, traces: Option<&TraceConfig>, service: Service) -> Result<Telemetry, TelemetryError> {
    let provider = traces.map(|traces| export::provider(traces, service)).transpose()?;
    let mut layers = vec![log_layer(logs, default)?];
    if let Some(provider) = &provider {
        global::set_tracer_provider(provider.clone());
        layers.extend(trace_layers(provider));
    }
    tracing_subscriber::registry().with(layers).try_init().map_err(|_| TelemetryError::AlreadyStarted)?;
    Ok(Telemetry { provider })
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Text on a terminal, JSON lines otherwise.
fn log_layer(config: &LogConfig, default: &str) -> Result<BoxedLayer, TelemetryError> {
    let filter = config.filter.as_deref().unwrap_or(default);
    let filter =
        EnvFilter::try_new(filter).map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), problem: error.to_string() })?;
    let terminal = std::io::stderr().is_terminal();
    Ok(if config.json.unwrap_or(!terminal) {
        let layer = fmt::layer().event_format(JsonWithTraceIds::new()).fmt_fields(JsonFields::new()).with_writer(std::io::stderr);
        layer.with_filter(filter).boxed()
    } else {
        fmt::layer().with_target(false).with_ansi(terminal).with_writer(std::io::stderr).with_filter(filter).boxed()
    })
}

/// The layers that export spans. They do not depend on the log filter.
fn trace_layers(provider: &SdkTracerProvider) -> [BoxedLayer; 2] {
    let debug = |filter: fn(&Metadata<'_>) -> bool| FilterFn::new(filter).with_max_level_hint(LevelFilter::DEBUG);
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(TRACER))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_error_events_to_status(true);
    let statements = SqlSpans(provider.tracer(TRACER));
    [spans.with_filter(debug(is_exported)).boxed(), statements.with_filter(debug(is_statement)).boxed()]
}

/// Spans of this workspace and of the operations of S3, and warnings within them.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    let is_own = metadata.target().starts_with("aprendiz");
    if metadata.is_span() {
        is_own || metadata.target().starts_with("aws_sdk_s3::operation")
    } else {
        is_own && *metadata.level() <= Level::WARN
    }
}
