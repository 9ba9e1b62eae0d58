//! Worker configuration from environment variables: how this host executes runs, never what is trained.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use aprendiz_artifacts::StoreConfig;
use aprendiz_config::{DatabaseConfig, Environment};
use aprendiz_encoder::BaseModelCaches;
use aprendiz_queue::QueueConfig;
use reqwest::Url;
use secrecy::SecretString;

use crate::host_info;

/// The configuration of a worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerConfig {
    pub(crate) database: DatabaseConfig,
    pub(crate) queue: QueueConfig,
    pub(crate) store: StoreConfig,
    /// `APRENDIZ_SLOTS`, default 1: maximum number of concurrent runs. Each needs the memory of a training.
    pub(crate) slots: u32,
    /// `APRENDIZ_THREADS`, default 0 = all cores: threads per training. Affects the duration, never the result.
    pub(crate) threads: usize,
    /// `APRENDIZ_LEASE_SECONDS`, default 30: how long a run stays with a worker that does not renew its lease. With a short lease,
    /// database stalls cost attempts; with a long one, runs of a dead host wait.
    pub(crate) lease: Duration,
    /// `APRENDIZ_POLL_SECONDS`, default 30: how often to poll Postgres for runs without a wake-up.
    pub(crate) poll_interval: Duration,
    /// `APRENDIZ_GRACE_SECONDS`, default 20: time to save a checkpoint and release runs after SIGTERM. Keep it below the kill timeout of
    /// the service manager.
    pub(crate) grace_period: Duration,
    /// `APRENDIZ_CHECKPOINT_SECONDS`, default 30: time between checkpoints. Losing a worker loses at most this much training, or slightly
    /// more with a slow object store.
    pub(crate) checkpoint_interval: Duration,
    /// `APRENDIZ_CHILD_SILENCE_SECONDS`, default 600: a training process without output for this long is considered hung and is killed.
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
    /// Host name, for display.
    pub(crate) host: String,
}

/// The hub to download missing base models from.
#[derive(Debug, Clone)]
pub(crate) struct HubConfig {
    /// `APRENDIZ_HUB`, such as `https://huggingface.co`, without a trailing slash.
    pub(crate) endpoint: String,
    /// `HF_TOKEN`: access token for private and gated models.
    pub(crate) token: Option<SecretString>,
}

/// The cache of base-model embeddings.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddingCacheConfig {
    /// `APRENDIZ_EMBEDDINGS`, default `$XDG_CACHE_HOME/aprendiz/embeddings` or `$HOME/.cache/aprendiz/embeddings`: folder for local copies
    /// of the cache in the object store. Without it, each run downloads what it needs.
    pub(crate) folder: Option<PathBuf>,
    /// `APRENDIZ_EMBEDDINGS_MB`, in MiB, default 1024: size limit in the object store and therefore in the folder, here in bytes. Least
    /// recently used files are removed first; 0 disables the cache.
    pub(crate) max_bytes: u64,
}

impl WorkerConfig {
    pub(crate) fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Self> {
        let slots = env.parsed("APRENDIZ_SLOTS", 1, "a number of runs, 1 to 64")?;
        if !(1..=64).contains(&slots) {
            bail!("APRENDIZ_SLOTS is {slots}: expected a number of runs, 1 to 64");
        }
        let lease = Duration::from_secs_f64(env.parsed("APRENDIZ_LEASE_SECONDS", 30.0, "a number of seconds")?);
        if !(1.0..=3600.0).contains(&lease.as_secs_f64()) {
            bail!("APRENDIZ_LEASE_SECONDS is {}: expected 1 to 3600", lease.as_secs_f64());
        }
        let seconds = |name, default: f64, min: f64| {
            let value: f64 = env.parsed(name, default, "a number of seconds")?;
            if !(min..=86_400.0).contains(&value) {
                bail!("{name} is {value}: expected {min} to 86400");
            }
            anyhow::Ok(Duration::from_secs_f64(value))
        };
        let probe_listen = env.text("APRENDIZ_PROBE_LISTEN").map(|address| {
            address
                .parse()
                .map_err(|_| anyhow!("APRENDIZ_PROBE_LISTEN is `{address}`: expected an address and port such as 127.0.0.1:9090"))
        });
        let poll_seconds: u64 = env.parsed("APRENDIZ_POLL_SECONDS", 30, "a number of seconds, at least 1")?;
        let mebibytes: u32 = env.parsed("APRENDIZ_EMBEDDINGS_MB", 1024, "a number of MiB")?;
        let scratch = env.text("APRENDIZ_SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from);
        let embeddings = env.text("APRENDIZ_EMBEDDINGS").map(PathBuf::from).or_else(|| env.cache_dir("aprendiz/embeddings"));
        Ok(Self {
            database: env.database()?,
            queue: env.queue()?,
            store: env.store()?,
            slots,
            threads: env.parsed("APRENDIZ_THREADS", 0, "a number of threads")?,
            lease,
            poll_interval: Duration::from_secs(poll_seconds.max(1)),
            grace_period: seconds("APRENDIZ_GRACE_SECONDS", 20.0, 0.0)?,
            checkpoint_interval: seconds("APRENDIZ_CHECKPOINT_SECONDS", 30.0, 0.0)?,
            child_timeout: seconds("APRENDIZ_CHILD_SILENCE_SECONDS", 600.0, 1.0)?,
            probe_listen: probe_listen.transpose()?,
            scratch,
            base_models: base_models(env)?,
            hub: hub(env)?,
            embeddings: EmbeddingCacheConfig {
                folder: embeddings.map(std::path::absolute).transpose()?,
                max_bytes: u64::from(mebibytes) << 20,
            },
            host: host_info::host_name(),
        })
    }
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
    fn a_bad_value_names_its_variable() {
        for (name, value) in [
            ("APRENDIZ_SLOTS", "0"),
            ("APRENDIZ_LEASE_SECONDS", "0.1"),
            ("APRENDIZ_THREADS", "many"),
            ("APRENDIZ_GRACE_SECONDS", "-1"),
            ("APRENDIZ_EMBEDDINGS_MB", "1.5"),
            ("APRENDIZ_HUB", "huggingface.co"),
            ("APRENDIZ_HUB", "http://127.0.0.1.example.org"),
            ("APRENDIZ_HUB", "http://127.0.0.1:80@example.org"),
            ("APRENDIZ_HUB", "https://user:secret@example.org"),
            ("APRENDIZ_HUB", "https://example.org/?token=secret"),
            ("APRENDIZ_PROBE_LISTEN", "here"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
