//! Errors of the start of logs and traces.

/// Why logs or traces cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be parsed.
    #[error("RUST_LOG is `{filter}`: expected a filter such as info,sqlx=warn ({problem})")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A subscriber is already installed.
    #[error("logging is already initialized")]
    AlreadyStarted,
    /// The exporter cannot be created.
    #[error("cannot export traces to OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Exporter(String),
}
