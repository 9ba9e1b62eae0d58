//! Logs: readable on a terminal, one JSON object a line elsewhere.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, bail};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::variables::Environment;

/// How to log.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `RUST_LOG`, in the syntax of tracing-subscriber.
    pub filter: Option<String>,
    /// `APRENDIZ_LOG_FORMAT`: `text` or `json`; by default text on a terminal and JSON elsewhere.
    pub json: Option<bool>,
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// How to log: `RUST_LOG` and `APRENDIZ_LOG_FORMAT`.
    ///
    /// # Errors
    /// Names the variable.
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

/// Sends logs to standard error, from now on. `default` is the filter where `RUST_LOG` is absent.
///
/// # Errors
/// A filter that cannot be read, or a second call.
pub fn init_logs(config: &LogConfig, default: &str) -> Result<()> {
    let filter = config.filter.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(filter).with_context(|| format!("RUST_LOG is `{filter}`: expected for example info,sqlx=warn"))?;
    let terminal = std::io::stderr().is_terminal();
    let registry = tracing_subscriber::registry().with(filter);
    if config.json.unwrap_or(!terminal) {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
        registry.with(layer).try_init().context("logging was set up twice")
    } else {
        let layer = tracing_subscriber::fmt::layer().with_target(false).with_ansi(terminal).with_writer(std::io::stderr);
        registry.with(layer).try_init().context("logging was set up twice")
    }
}
