//! Logging setup: text on a terminal, JSON lines otherwise.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, bail};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::variables::Environment;

/// Logging settings.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `RUST_LOG`, in the syntax of tracing-subscriber's `EnvFilter`.
    pub filter: Option<String>,
    /// `APRENDIZ_LOG_FORMAT`: `text` or `json`. Default: text on a terminal, JSON otherwise.
    pub json: Option<bool>,
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// Reads `RUST_LOG` and `APRENDIZ_LOG_FORMAT`.
    ///
    /// # Errors
    /// `APRENDIZ_LOG_FORMAT` is neither `text` nor `json`.
    pub fn log(&self) -> Result<LogConfig> {
        let json = match self.text("APRENDIZ_LOG_FORMAT").as_deref() {
            None => None,
            Some("json") => Some(true),
            Some("text") => Some(false),
            Some(other) => bail!("APRENDIZ_LOG_FORMAT is `{other}`: expected text or json"),
        };
        Ok(LogConfig { filter: self.text("RUST_LOG"), json })
    }
}

/// Installs the global log subscriber, which writes to standard error. `default` is the filter if `RUST_LOG` is not set.
///
/// # Errors
/// The filter is invalid, or a subscriber is already installed.
pub fn init_logs(config: &LogConfig, default: &str) -> Result<()> {
    let filter = config.filter.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(filter).with_context(|| format!("RUST_LOG is `{filter}`: expected a filter such as info,sqlx=warn"))?;
    let terminal = std::io::stderr().is_terminal();
    let registry = tracing_subscriber::registry().with(filter);
    if config.json.unwrap_or(!terminal) {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
        registry.with(layer).try_init().context("logging is already initialized")
    } else {
        let layer = tracing_subscriber::fmt::layer().with_target(false).with_ansi(terminal).with_writer(std::io::stderr);
        registry.with(layer).try_init().context("logging is already initialized")
    }
}
