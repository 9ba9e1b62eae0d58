//! Worker configuration from environment variables: how this host executes runs, never what is trained.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use aprendiz_artifacts::StoreConfig;
use aprendiz_config::{DatabaseConfig, Environment};
use aprendiz_encoder::BaseModelCaches;
use aprendiz_queue::QueueConfig;
use aprendiz_run_spec::WorkerLabels;
use reqwest::Url;
use secrecy::SecretString;

use crate::host_info;

/// A day, in seconds.
const DAY: f64 = 86_400.0;

/// The configuration of a worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerConfig {
    pub(crate) database: DatabaseConfig,
    pub(crate) queue: QueueConfig,
    pub(crate) store: StoreConfig,
    /// `APRENDIZ_SLOTS`, default 1, 1 to 64: maximum number of concurrent runs. Each needs the memory of a training.
    pub(crate) slots: u32,
    /// `APRENDIZ_THREADS`, default 0 = all cores, at most 1024: threads per training. Affects the duration, never the result.
    pub(crate) threads: usize,
    /// `APRENDIZ_LEASE_SECONDS`, default 30, 1 to 3600: how long a run stays with a worker that does not renew its lease. With a short lease,
    /// database stalls cost attempts; with a long one, runs of a dead host wait.
    pub(crate) lease: Duration,
    /// `APRENDIZ_POLL_SECONDS`, default 30, 1 to 86400: how often to poll Postgres for runs without a wake-up.
    pub(crate) poll_interval: Duration,
    /// `APRENDIZ_GRACE_SECONDS`, default 20, 0 to 86400: time to save a checkpoint and release runs after SIGTERM. Keep it below the kill timeout of
    /// the service manager.
    pub(crate) grace_period: Duration,
    /// `APRENDIZ_CHECKPOINT_SECONDS`, default 30, 0 to 86400: time between checkpoints. Losing a worker loses at most this much training, or slightly
    /// more with a slow object store.
    pub(crate) checkpoint_interval: Duration,
    /// `APRENDIZ_CHILD_SILENCE_SECONDS`, default 600, 1 to 86400: a training process without output for this long is considered hung and is killed.
    pub(crate) child_timeout: Duration,
    /// `APRENDIZ_PROBE_LISTEN`, default none: address of `/healthz`, `/readyz` and `/metrics`, such as 127.0.0.1:9090.
    pub(crate) probe_listen: Option<SocketAddr>,
    /// `APRENDIZ_SCRATCH`, default the system's temporary folder: temporary files of runs, removed after each attempt.
    pub(crate) scratch: PathBuf,
    /// Where base models are looked up: first `APRENDIZ_BASE_MODELS`, default `$XDG_CACHE_HOME/aprendiz/weights` or
    /// `$HOME/.cache/aprendiz/weights`, then the Hugging Face cache (`HF_HUB_CACHE`, `HF_HOME`). Specs may name directories only inside
    /// the first folder. Without either folder, runs can start only from published versions.
    pub(crate) base_models: BaseModelCaches,
    /// The hub to download missing base models from, default none. With a hub, a spec can make the worker read files that anyone has
    /// uploaded there.
    pub(crate) hub: Option<HubConfig>,
    /// The cache of base-model embeddings.
    pub(crate) embeddings: EmbeddingCacheConfig,
    /// `APRENDIZ_LABELS`, comma-separated, default none: what this host has, such as `gpu,memory=64`, for runs that require it. The worker adds
    /// the backends of its build.
    pub(crate) labels: WorkerLabels,
    /// Host name, for display.
    pub(crate) host: String,
}

/// The hub to download missing base models from.
#[derive(Debug, Clone)]
pub(crate) struct HubConfig {
    /// `APRENDIZ_HUB`, default none: endpoint of the hub, such as `https://huggingface.co`, without a trailing slash.
    pub(crate) endpoint: String,
    /// `HF_TOKEN`, default none: access token for private and gated models.
    pub(crate) token: Option<SecretString>,
}

/// The cache of base-model embeddings.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddingCacheConfig {
    /// `APRENDIZ_EMBEDDINGS`, default `$XDG_CACHE_HOME/aprendiz/embeddings` or `$HOME/.cache/aprendiz/embeddings`: folder for local copies
    /// of the cache in the object store. Without it, each run downloads what it needs.
    pub(crate) folder: Option<PathBuf>,
    /// `APRENDIZ_EMBEDDINGS_MB`, in MiB, default 1024, 0 to 16777216: size limit in the object store and therefore in the folder, here in
    /// bytes. Least recently used files are removed first; 0 disables the cache.
    pub(crate) max_bytes: u64,
}

impl WorkerConfig {
    pub(crate) fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Self> {
        let scratch = env.text("APRENDIZ_SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from);
        let embeddings = env.text("APRENDIZ_EMBEDDINGS").map(PathBuf::from).or_else(|| env.cache_dir("aprendiz/embeddings"));
        Ok(Self {
            database: env.database()?,
            queue: env.queue()?,
            store: env.store()?,
            slots: env.number("APRENDIZ_SLOTS", 1, 1..=64)?,
            threads: env.number("APRENDIZ_THREADS", 0, 0..=1024)?,
            lease: env.seconds("APRENDIZ_LEASE_SECONDS", 30.0, 1.0..=3600.0)?,
            poll_interval: env.seconds("APRENDIZ_POLL_SECONDS", 30.0, 1.0..=DAY)?,
            grace_period: env.seconds("APRENDIZ_GRACE_SECONDS", 20.0, 0.0..=DAY)?,
            checkpoint_interval: env.seconds("APRENDIZ_CHECKPOINT_SECONDS", 30.0, 0.0..=DAY)?,
            child_timeout: env.seconds("APRENDIZ_CHILD_SILENCE_SECONDS", 600.0, 1.0..=DAY)?,
            probe_listen: env.address("APRENDIZ_PROBE_LISTEN")?,
            scratch,
            base_models: base_models(env)?,
            hub: hub(env)?,
            embeddings: EmbeddingCacheConfig {
                folder: embeddings.map(std::path::absolute).transpose()?,
                max_bytes: env.number("APRENDIZ_EMBEDDINGS_MB", 1024, 0..=16 << 20)? << 20,
            },
            labels: labels(env)?,
            host: host_info::host_name(),
        })
    }
}

fn labels<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<WorkerLabels> {
    let text = env.text("APRENDIZ_LABELS").unwrap_or_default();
    let labels = WorkerLabels::parse(&text).map_err(|error| anyhow!("APRENDIZ_LABELS: {error}"))?;
    Ok(labels.with_backends(aprendiz_training::backends()))
}

fn hub<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Option<HubConfig>> {
    let Some(endpoint) = env.text("APRENDIZ_HUB") else { return Ok(None) };
    // the token must not cross a network unencrypted, and the endpoint appears in logs and error texts
    let is_local = |url: &Url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let is_safe = |url: &Url| {
        (url.scheme() == "https" || url.scheme() == "http" && is_local(url))
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match Url::parse(&endpoint) {
        Ok(url) if is_safe(&url) => {
            Ok(Some(HubConfig { endpoint: url.as_str().trim_end_matches('/').to_owned(), token: env.secret("HF_TOKEN")? }))
        }
        _ => bail!(
            "APRENDIZ_HUB: expected an address such as https://huggingface.co (http only for localhost), \
             without user, password, query and fragment"
        ),
    }
}

fn base_models<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<BaseModelCaches> {
    let path = |name: &str| env.text(name).map(PathBuf::from);
    let weights = path("APRENDIZ_BASE_MODELS").or_else(|| env.cache_dir("aprendiz/weights"));
    let hub = path("HF_HUB_CACHE").or_else(|| path("HF_HOME").map(|home| home.join("hub"))).or_else(|| env.cache_dir("huggingface/hub"));
    // the training process receives these paths, so they must not depend on the working directory
    let absolute = |path: Option<PathBuf>| path.map(std::path::absolute).transpose();
    Ok(BaseModelCaches { weights: absolute(weights)?, hub: absolute(hub)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<WorkerConfig> {
        let required = [("DATABASE_URL", "postgres://a@b/c"), ("REDIS_URL", "redis://b"), ("APRENDIZ_BUCKET", "c")];
        let all: Vec<_> = pairs.iter().chain(&required).collect();
        WorkerConfig::read(&Environment::from_fn(|name: &str| {
            all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        }))
    }

    #[test]
    fn defaults_are_one_slot_and_a_lease_of_thirty_seconds() {
        let config = read(&[]).unwrap();
        assert_eq!((config.slots, config.lease), (1, Duration::from_secs(30)));
    }

    #[test]
    fn base_models_default_to_the_usual_cache_folders() {
        let folders = |pairs: &[(&str, &str)]| {
            let found = read(pairs).unwrap().base_models;
            [found.weights, found.hub].map(|folder| folder.map(|folder| folder.display().to_string()).unwrap_or_default())
        };
        assert_eq!(folders(&[]), ["", ""]);
        assert_eq!(folders(&[("HOME", "/h")]), ["/h/.cache/aprendiz/weights", "/h/.cache/huggingface/hub"]);
        let embeddings = |pairs: &[(&str, &str)]| read(pairs).unwrap().embeddings.folder.map(|folder| folder.display().to_string());
        assert_eq!(embeddings(&[]), None);
        assert_eq!(embeddings(&[("HOME", "/h")]).as_deref(), Some("/h/.cache/aprendiz/embeddings"));
        assert_eq!(embeddings(&[("XDG_CACHE_HOME", "/c"), ("APRENDIZ_EMBEDDINGS", "/e")]).as_deref(), Some("/e"));
        assert_eq!(folders(&[("HOME", "/h"), ("APRENDIZ_BASE_MODELS", "/b"), ("HF_HOME", "/f")]), ["/b", "/f/hub"]);
    }

    #[test]
    fn labels_name_what_the_host_has_and_the_backends_of_the_build() {
        let labels = |text: &str| read(&[("APRENDIZ_LABELS", text)]).unwrap().labels.to_strings();
        assert!(labels("").contains(&"backend=flex".to_owned()));
        assert!(labels("gpu, memory=64").ends_with(&["gpu".to_owned(), "memory=64".to_owned()]));
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (name, value) in [
            ("APRENDIZ_THREADS", "many"),
            ("APRENDIZ_EMBEDDINGS_MB", "1.5"),
            ("APRENDIZ_HUB", "huggingface.co"),
            ("APRENDIZ_HUB", "http://127.0.0.1.example.org"),
            ("APRENDIZ_HUB", "http://127.0.0.1:80@example.org"),
            ("APRENDIZ_HUB", "https://user:secret@example.org"),
            ("APRENDIZ_HUB", "https://example.org/?token=secret"),
            ("APRENDIZ_PROBE_LISTEN", "here"),
            ("APRENDIZ_LABELS", "gpu, Memory=64"),
            ("APRENDIZ_LABELS", "backend=cuda"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    /// Smallest and largest value of every number, and values beyond them.
    #[test]
    fn every_number_has_a_range() {
        for (name, min, max) in [
            ("APRENDIZ_DATABASE_CONNECTIONS", 2, 1_000),
            ("APRENDIZ_BUCKET_TIMEOUT_SECONDS", 1, 3_600),
            ("APRENDIZ_SLOTS", 1, 64),
            ("APRENDIZ_THREADS", 0, 1_024),
            ("APRENDIZ_LEASE_SECONDS", 1, 3_600),
            ("APRENDIZ_POLL_SECONDS", 1, 86_400),
            ("APRENDIZ_GRACE_SECONDS", 0, 86_400),
            ("APRENDIZ_CHECKPOINT_SECONDS", 0, 86_400),
            ("APRENDIZ_CHILD_SILENCE_SECONDS", 1, 86_400),
            ("APRENDIZ_EMBEDDINGS_MB", 0, 16_777_216),
        ] {
            for value in [min, max] {
                assert!(read(&[(name, &value.to_string())]).is_ok(), "{name}={value}");
            }
            for value in [(min - 1).to_string(), (max + 1).to_string(), "nan".to_owned(), "inf".to_owned(), "1e30".to_owned()] {
                let error = read(&[(name, &value)]).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{name} is `{value}`: expected ")), "{error}");
                assert!(error.ends_with(&format!(" from {min} to {max}")), "{error}");
            }
        }
    }

    #[test]
    fn no_value_of_any_variable_panics() {
        let required = [("DATABASE_URL", "postgres://a@b/c"), ("REDIS_URL", "redis://b"), ("APRENDIZ_BUCKET", "c")];
        let default = |name: &str| required.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let names = std::cell::RefCell::new(std::collections::BTreeSet::new());
        WorkerConfig::read(&Environment::from_fn(|name: &str| {
            names.borrow_mut().insert(name.to_owned());
            default(name)
        }))
        .unwrap();
        let values = ["-1", "0", "nan", "inf", "1e30", "1e300", "4294967295", "18446744073709551615", "18446744073709551616"];
        for name in names.into_inner() {
            for value in values {
                let read =
                    WorkerConfig::read(&Environment::from_fn(
                        |variable: &str| {
                            if variable == name { Some(value.to_owned()) } else { default(variable) }
                        },
                    ));
                if let Err(error) = read {
                    assert!(error.to_string().contains(&name), "{error}");
                }
            }
        }
    }
}
