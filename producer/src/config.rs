//! Configuration of the server beyond what both binaries read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use aprendiz_annotations::SplitRatios;
use aprendiz_artifacts::StoreConfig;
use aprendiz_config::{DatabaseConfig, Environment};
use aprendiz_queue::QueueConfig;
use aprendiz_run_spec::ModelName;
use axum::http::HeaderValue;

use crate::limits::settings::{ClientLimits, MAX_BYTES};
use crate::oidc::OidcSettings;

/// A day, in seconds.
const DAY: f64 = 86_400.0;
/// Ten years, in seconds: the limit of how long something is kept.
const MAX_RETENTION: f64 = 3_650.0 * DAY;

/// Configuration of `aprendiz serve`.
pub(crate) struct ServerConfig {
    pub(crate) database: DatabaseConfig,
    pub(crate) queue: QueueConfig,
    pub(crate) store: StoreConfig,
    pub(crate) api: ApiConfig,
    pub(crate) sweep: SweepConfig,
}

/// Configuration of the sweeper.
#[derive(Debug, Clone)]
pub(crate) struct SweepConfig {
    /// `APRENDIZ_SWEEP_AFTER_SECONDS`, default 86400, 0 to 315360000: age from which an unreferenced object is deleted. Must exceed clock differences, and
    /// the time that restoring the database from a backup takes.
    pub(crate) after: Duration,
    /// `APRENDIZ_SWEEP_EVERY_SECONDS`, default 60, 1 to 86400: time between two rounds of the sweeper.
    pub(crate) every: Duration,
    /// `APRENDIZ_CHECKPOINT_KEEP_SECONDS`, default 604800, 0 to 315360000: how long a failed or cancelled run keeps its checkpoint for a manual retry.
    pub(crate) keep_checkpoints: Duration,
}

/// Configuration of the API.
#[derive(Debug, Clone)]
pub(crate) struct ApiConfig {
    /// `APRENDIZ_LISTEN`, default `127.0.0.1:8080`: address of the API. Put a TLS proxy in front of any non-loopback address.
    pub(crate) listen: SocketAddr,
    /// `APRENDIZ_CORS_ORIGINS`, comma-separated, default none: origins that may call the API from a browser.
    pub(crate) cors_origins: Vec<HeaderValue>,
    /// `APRENDIZ_DEFAULT_MODEL`, default `default`: model name of runs created through `POST /training-runs`.
    pub(crate) default_model: ModelName,
    /// `APRENDIZ_MAX_IMPORT_BYTES`, default 4 GiB, 1 B to 1 PiB: size limit of an import as sent.
    pub(crate) max_import_bytes: u64,
    /// `APRENDIZ_MAX_IMPORT_DECOMPRESSED_BYTES`, default 64 GiB, 1 B to 1 PiB: size limit of an import after decompression.
    pub(crate) max_import_decompressed_bytes: u64,
    /// `APRENDIZ_REQUEST_TIMEOUT_SECONDS`, default 30, 1 to 3600: request timeout; imports, downloads and event streams have none.
    pub(crate) request_timeout: Duration,
    /// `APRENDIZ_MAX_REQUESTS`, default 256, 1 to 100000: maximum number of ordinary requests that are handled at the same time; further
    /// ones are rejected with 503.
    pub(crate) max_requests: usize,
    /// `APRENDIZ_SPLIT_RATIOS`, default `0.7,0.15,0.15`: fractions of train, validation and test for new documents. Existing documents keep
    /// their split.
    pub(crate) split_ratios: SplitRatios,
    /// `APRENDIZ_MODEL_CACHE_DIR`, default below the user's cache folder: folder of models downloaded for predictions.
    pub(crate) model_cache_dir: PathBuf,
    /// `APRENDIZ_MODEL_CACHE_SIZE`, default 4, 1 to 1000: number of models kept in memory for predictions.
    pub(crate) model_cache_size: usize,
    /// `APRENDIZ_INFERENCE_SOCKET`, default none: Unix domain socket of the inference process, which predicts with field classifiers.
    pub(crate) inference_socket: Option<PathBuf>,
    /// Limits on clients that are slow or many.
    pub(crate) clients: ClientLimits,
    /// Sessions of the web interface.
    pub(crate) sessions: SessionConfig,
    /// The provider with which people sign in, if one is configured.
    pub(crate) oidc: Option<OidcSettings>,
}

/// Configuration of the sessions of the web interface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionConfig {
    /// `APRENDIZ_SESSION_IDLE_SECONDS`, default 28800, 300 to 2592000: time without a request after which a session ends.
    pub(crate) idle: Duration,
    /// `APRENDIZ_SESSION_MAX_SECONDS`, default 604800, 300 to 31536000: time from the sign-in after which a session ends in any case.
    pub(crate) lifetime: Duration,
    /// `APRENDIZ_SESSION_COOKIE_SECURE`, default `auto`, or `always`, `never`: whether the cookie is sent over TLS only.
    pub(crate) cookie: CookiePolicy,
}

/// Whether the cookie of a session is sent over TLS only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookiePolicy {
    /// Yes, except over plain HTTP to a loopback address.
    Auto,
    Always,
    Never,
}

impl ServerConfig {
    /// Reads the configuration from the environment.
    pub(crate) fn from_env() -> Result<Self> {
        let env = Environment::process();
        Ok(Self {
            database: env.database()?,
            queue: env.queue()?,
            store: env.store()?,
            api: ApiConfig::read(&env)?,
            sweep: SweepConfig::read(&env)?,
        })
    }
}

impl SweepConfig {
    fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Self> {
        Ok(Self {
            after: env.seconds("APRENDIZ_SWEEP_AFTER_SECONDS", DAY, 0.0..=MAX_RETENTION)?,
            every: env.seconds("APRENDIZ_SWEEP_EVERY_SECONDS", 60.0, 1.0..=DAY)?,
            keep_checkpoints: env.seconds("APRENDIZ_CHECKPOINT_KEEP_SECONDS", 7.0 * DAY, 0.0..=MAX_RETENTION)?,
        })
    }
}

impl ApiConfig {
    fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Self> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        let max_import_bytes = env.number("APRENDIZ_MAX_IMPORT_BYTES", 4 << 30, 1..=MAX_BYTES)?;
        let default_model = env.text("APRENDIZ_DEFAULT_MODEL").unwrap_or_else(|| "default".to_owned());
        Ok(Self {
            listen: env.address("APRENDIZ_LISTEN")?.unwrap_or(listen),
            cors_origins: origins(env)?,
            default_model: ModelName::try_from(default_model).map_err(|error| anyhow!("APRENDIZ_DEFAULT_MODEL: {error}"))?,
            max_import_bytes,
            max_import_decompressed_bytes: env.number("APRENDIZ_MAX_IMPORT_DECOMPRESSED_BYTES", 64 << 30, 1..=MAX_BYTES)?,
            request_timeout: env.seconds("APRENDIZ_REQUEST_TIMEOUT_SECONDS", 30.0, 1.0..=3600.0)?,
            max_requests: env.number("APRENDIZ_MAX_REQUESTS", 256, 1..=100_000)?,
            split_ratios: ratios(env)?,
            model_cache_dir: cache_dir(env),
            model_cache_size: env.number("APRENDIZ_MODEL_CACHE_SIZE", 4, 1..=1_000)?,
            inference_socket: env.text("APRENDIZ_INFERENCE_SOCKET").map(PathBuf::from),
            clients: ClientLimits::read(env, max_import_bytes)?,
            sessions: SessionConfig::read(env)?,
            oidc: OidcSettings::read(env)?,
        })
    }
}

impl SessionConfig {
    fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Self> {
        Ok(Self {
            idle: env.seconds("APRENDIZ_SESSION_IDLE_SECONDS", DAY / 3.0, 300.0..=30.0 * DAY)?,
            lifetime: env.seconds("APRENDIZ_SESSION_MAX_SECONDS", 7.0 * DAY, 300.0..=365.0 * DAY)?,
            cookie: match env.text("APRENDIZ_SESSION_COOKIE_SECURE").as_deref() {
                None | Some("auto") => CookiePolicy::Auto,
                Some("always") => CookiePolicy::Always,
                Some("never") => CookiePolicy::Never,
                Some(other) => bail!("APRENDIZ_SESSION_COOKIE_SECURE is `{other}`: expected auto, always or never"),
            },
        })
    }
}

fn origins<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Vec<HeaderValue>> {
    let list = env.text("APRENDIZ_CORS_ORIGINS").unwrap_or_default();
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let is_origin = (name.starts_with("http://") || name.starts_with("https://")) && !name.ends_with('/');
            is_origin.then(|| HeaderValue::from_str(name).ok()).flatten().ok_or_else(|| {
                anyhow!("APRENDIZ_CORS_ORIGINS contains `{name}`: expected comma-separated origins such as https://app.example.org")
            })
        })
        .collect()
}

fn ratios<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<SplitRatios> {
    let Some(text) = env.text("APRENDIZ_SPLIT_RATIOS") else {
        return Ok(SplitRatios::default());
    };
    // one that is no number must not shift the others
    let ratios: Option<Vec<f64>> = text.split(',').map(|ratio| ratio.trim().parse().ok()).collect();
    match ratios.as_deref() {
        Some(&[train, validation, test]) => {
            SplitRatios::new(train, validation, test).map_err(|error| anyhow!("APRENDIZ_SPLIT_RATIOS is `{text}`: {error}"))
        }
        _ => bail!("APRENDIZ_SPLIT_RATIOS is `{text}`: expected three ratios such as 0.7,0.15,0.15"),
    }
}

/// Folder of downloaded models.
pub(crate) fn cache_dir<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> PathBuf {
    if let Some(dir) = env.text("APRENDIZ_MODEL_CACHE_DIR") {
        return dir.into();
    }
    let folder = "aprendiz/models";
    env.cache_dir(folder).unwrap_or_else(|| std::env::temp_dir().join(folder))
}

#[cfg(test)]
impl ApiConfig {
    /// The default configuration.
    pub(crate) fn for_tests() -> Self {
        Self::read(&Environment::from_fn(|_: &str| None)).expect("the defaults are valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_listen_on_loopback_only() {
        let api = ApiConfig::for_tests();
        assert!(api.listen.ip().is_loopback());
        assert!(api.cors_origins.is_empty());
    }

    #[test]
    fn an_error_names_the_variable_with_an_invalid_value() {
        for (name, value) in [
            ("APRENDIZ_LISTEN", "here"),
            ("APRENDIZ_MAX_IMPORT_BYTES", "4GB"),
            ("APRENDIZ_CORS_ORIGINS", "app.example.org"),
            ("APRENDIZ_DEFAULT_MODEL", "../x"),
            ("APRENDIZ_SESSION_COOKIE_SECURE", "no"),
            ("APRENDIZ_SPLIT_RATIOS", "0.7,0.3"),
            ("APRENDIZ_SPLIT_RATIOS", "0.7,x,0.15,0.15"),
            ("APRENDIZ_SPLIT_RATIOS", "nan,0.5,0.5"),
            ("APRENDIZ_SPLIT_RATIOS", "inf,0.5,-inf"),
        ] {
            let env = Environment::from_fn(|variable: &str| (variable == name).then(|| value.to_owned()));
            let error = ApiConfig::read(&env).and_then(|_| SweepConfig::read(&env)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    /// Smallest and largest value of every number, and the values next to them.
    #[test]
    fn every_number_has_a_range() {
        for (name, min, max) in [
            ("APRENDIZ_MAX_IMPORT_BYTES", 1, 1 << 50),
            ("APRENDIZ_MAX_IMPORT_DECOMPRESSED_BYTES", 1, 1 << 50),
            ("APRENDIZ_REQUEST_TIMEOUT_SECONDS", 1, 3_600),
            ("APRENDIZ_MAX_REQUESTS", 1, 100_000),
            ("APRENDIZ_MODEL_CACHE_SIZE", 1, 1_000),
            ("APRENDIZ_SESSION_IDLE_SECONDS", 300, 2_592_000),
            ("APRENDIZ_SESSION_MAX_SECONDS", 300, 31_536_000),
            ("APRENDIZ_SWEEP_AFTER_SECONDS", 0, 315_360_000),
            ("APRENDIZ_SWEEP_EVERY_SECONDS", 1, 86_400),
            ("APRENDIZ_CHECKPOINT_KEEP_SECONDS", 0, 315_360_000),
        ] {
            let read = |value: i64| {
                let env = Environment::from_fn(move |variable: &str| (variable == name).then(|| value.to_string()));
                ApiConfig::read(&env).and_then(|_| SweepConfig::read(&env))
            };
            assert!(read(min).is_ok() && read(max).is_ok(), "{name}");
            for value in [min - 1, max + 1] {
                let error = read(value).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{name} is `{value}`: expected ")), "{error}");
                assert!(error.ends_with(&format!(" from {min} to {max}")), "{error}");
            }
        }
    }

    #[test]
    fn no_value_of_any_variable_panics() {
        let names = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let recording = Environment::from_fn(|name: &str| {
            names.borrow_mut().insert(name.to_owned());
            None
        });
        ApiConfig::read(&recording).and_then(|_| SweepConfig::read(&recording)).unwrap();
        let names = names.into_inner();
        assert!(names.contains("APRENDIZ_MAX_REQUESTS") && names.contains("APRENDIZ_SWEEP_EVERY_SECONDS"));
        for (name, value) in names.iter().flat_map(|name| {
            ["-1", "0", "nan", "inf", "1e30", "1e300", "4294967295", "18446744073709551615", "18446744073709551616"]
                .map(|value| (name, value))
        }) {
            let env = Environment::from_fn(|variable: &str| (variable == name).then(|| value.to_owned()));
            if let Err(error) = ApiConfig::read(&env).and_then(|_| SweepConfig::read(&env)) {
                assert!(error.to_string().contains(name), "{error}");
            }
        }
    }
}
