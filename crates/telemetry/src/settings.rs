//! Settings of logs and traces.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// Logging settings.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `RUST_LOG`, in the syntax of tracing-subscriber's `EnvFilter`.
    pub filter: Option<String>,
    /// `APRENDIZ_LOG_FORMAT`: `text` or `json`. Default: text on a terminal, JSON otherwise.
    pub json: Option<bool>,
}

/// Settings of the export of traces. `Debug` does not show the headers.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// URL to which spans are sent.
    pub endpoint: String,
    /// Headers of every request, such as the key of a vendor.
    pub headers: Vec<(String, SecretString)>,
    /// Timeout of a request.
    pub timeout: Duration,
    /// Which traces are recorded.
    pub sampler: TraceSampler,
    /// PEM file of certificate authorities, in addition to those of the system.
    pub certificate: Option<PathBuf>,
    /// Whether the environment names the service.
    pub is_service_named: bool,
}

/// Which traces are recorded. The value of a ratio is a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TraceSampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A fraction of all.
    Ratio(f64),
    /// Those whose parent is recorded, and all without a parent.
    ParentBasedAlwaysOn,
    /// Those whose parent is recorded.
    ParentBasedAlwaysOff,
    /// Those whose parent is recorded, and a fraction of those without a parent.
    ParentBasedRatio(f64),
}

impl TraceSampler {
    /// The sampler of a value of `OTEL_TRACES_SAMPLER`; `None` if there is no such sampler.
    #[must_use]
    pub fn from_name(name: &str, ratio: f64) -> Option<Self> {
        Some(match name {
            "always_on" => Self::AlwaysOn,
            "always_off" => Self::AlwaysOff,
            "traceidratio" => Self::Ratio(ratio),
            "parentbased_always_on" => Self::ParentBasedAlwaysOn,
            "parentbased_always_off" => Self::ParentBasedAlwaysOff,
            "parentbased_traceidratio" => Self::ParentBasedRatio(ratio),
            _ => return None,
        })
    }
}
