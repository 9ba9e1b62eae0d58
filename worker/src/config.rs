//! Configuration of the worker: how this machine runs, never what is trained.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use artifacts::StoreConfig;
use encoder::BaseModelCaches;
use environment::{DatabaseConfig, Environment};
use queue::QueueConfig;
use reqwest::Url;
use secrecy::SecretString;

use crate::machine;

/// Everything the worker needs.
#[derive(Debug, Clone)]
pub(crate) struct WorkerConfig {
    pub(crate) database: DatabaseConfig,
    pub(crate) queue: QueueConfig,
    pub(crate) store: StoreConfig,
    /// `APRENDIZ_SLOTS`, default 1: runs at once. Each takes the memory of a training.
    pub(crate) slots: u32,
    /// `APRENDIZ_THREADS`, default 0 = all cores: threads of one training. Changes the time, never the result.
    pub(crate) threads: usize,
    /// `APRENDIZ_LEASE_SECONDS`, default 30: how long after its last sign of life a worker's run is given to another. Too
    /// short and a stall of the database costs attempts; too long and a dead host's runs wait.
    pub(crate) lease: Duration,
    /// `APRENDIZ_LOOK_SECONDS`, default 30: how often Postgres is asked for work without having been woken.
    pub(crate) look: Duration,
    /// `APRENDIZ_GRACE_SECONDS`, default 20: time to save a checkpoint and hand runs back after SIGTERM. Keep it below what the
    /// service manager grants before it kills.
    pub(crate) grace: Duration,
    /// `APRENDIZ_CHECKPOINT_SECONDS`, default 30: at most so much training is lost with a worker, a little more with a slow bucket.
    pub(crate) checkpoint: Duration,
    /// `APRENDIZ_CHILD_SILENCE_SECONDS`, default 600: a training process that says nothing for so long is taken for stuck.
    pub(crate) silence: Duration,
    /// `APRENDIZ_PROBE_LISTEN`, default none: address of `/healthz`, `/readyz` and `/metrics`, such as 127.0.0.1:9090.
    pub(crate) probe_listen: Option<SocketAddr>,
    /// `APRENDIZ_SCRATCH`, default the system's temporary folder: files of running work; cleared after each run.
    pub(crate) scratch: PathBuf,
    /// Where base models are looked up: `APRENDIZ_BASE_MODELS`, default `$XDG_CACHE_HOME/aprendiz/weights` or the same below
    /// `$HOME/.cache`, a folder of model directories, which alone may be named by their paths; then the cache of Hugging Face's tools
    /// (`HF_HUB_CACHE`, `HF_HOME`). Without either, runs start only from published versions.
    pub(crate) base_models: BaseModelCaches,
    /// Where base models that are not on this host are fetched; by default nowhere. A spec can then make the worker read what anybody has
    /// put there.
    pub(crate) hub: Option<HubConfig>,
    /// What is kept of the vectors that base models make.
    pub(crate) embeddings: EmbeddingsConfig,
    /// Host name, for people.
    pub(crate) host: String,
}

/// Where base models that are not on this host are fetched.
#[derive(Debug, Clone)]
pub(crate) struct HubConfig {
    /// `APRENDIZ_HUB`, such as `https://huggingface.co`, without a slash at its end.
    pub(crate) endpoint: String,
    /// `HF_TOKEN`: for models that not everybody may have.
    pub(crate) token: Option<SecretString>,
}

/// What is kept of the vectors that base models make.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddingsConfig {
    /// `APRENDIZ_EMBEDDINGS`, default `$XDG_CACHE_HOME/aprendiz/embeddings` or the same below `$HOME/.cache`: folder for copies of those in
    /// the bucket. Without it each run fetches what it needs.
    pub(crate) folder: Option<PathBuf>,
    /// `APRENDIZ_EMBEDDINGS_MB`, default 1024: most that is kept in the bucket, and so in the folder; the least recently used go first. 0 =
    /// every run computes all that it needs.
    pub(crate) bytes: u64,
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
        let seconds = |name, default: f64, least: f64| {
            let value: f64 = env.parsed(name, default, "a number of seconds")?;
            if !(least..=86_400.0).contains(&value) {
                bail!("{name} is {value}: expected {least} to 86400");
            }
            anyhow::Ok(Duration::from_secs_f64(value))
        };
        let probe_listen = env.text("APRENDIZ_PROBE_LISTEN").map(|address| {
            address
                .parse()
                .map_err(|_| anyhow!("APRENDIZ_PROBE_LISTEN is `{address}`: expected an address and port such as 127.0.0.1:9090"))
        });
        let look: u64 = env.parsed("APRENDIZ_LOOK_SECONDS", 30, "a number of seconds, at least 1")?;
        let megabytes: u32 = env.parsed("APRENDIZ_EMBEDDINGS_MB", 1024, "a number of megabytes")?;
        let scratch = env.text("APRENDIZ_SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from);
        let embeddings = env.text("APRENDIZ_EMBEDDINGS").map(PathBuf::from).or_else(|| env.cache_folder("aprendiz/embeddings"));
        Ok(Self {
            database: env.database()?,
            queue: env.queue()?,
            store: env.store()?,
            slots,
            threads: env.parsed("APRENDIZ_THREADS", 0, "a number of threads")?,
            lease,
            look: Duration::from_secs(look.max(1)),
            grace: seconds("APRENDIZ_GRACE_SECONDS", 20.0, 0.0)?,
            checkpoint: seconds("APRENDIZ_CHECKPOINT_SECONDS", 30.0, 0.0)?,
            silence: seconds("APRENDIZ_CHILD_SILENCE_SECONDS", 600.0, 1.0)?,
            probe_listen: probe_listen.transpose()?,
            scratch,
            base_models: base_models(env)?,
            hub: hub(env)?,
            embeddings: EmbeddingsConfig { folder: embeddings.map(std::path::absolute).transpose()?, bytes: u64::from(megabytes) << 20 },
            host: machine::host(),
        })
    }
}

fn hub<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Option<HubConfig>> {
    let Some(endpoint) = env.text("APRENDIZ_HUB") else { return Ok(None) };
    // the token shall not go through a network in the clear, and what stands in an address is told to everybody
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
        _ => bail!("APRENDIZ_HUB: expected an address such as https://huggingface.co, without user and password"),
    }
}

fn base_models<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<BaseModelCaches> {
    let path = |name: &str| env.text(name).map(PathBuf::from);
    let weights = path("APRENDIZ_BASE_MODELS").or_else(|| env.cache_folder("aprendiz/weights"));
    let hub = path("HF_HUB_CACHE").or_else(|| path("HF_HOME").map(|home| home.join("hub"))).or_else(|| env.cache_folder("huggingface/hub"));
    // the training process is told where they are, not where this one was started
    let absolute = |path: Option<PathBuf>| path.map(std::path::absolute).transpose();
    Ok(BaseModelCaches { weights: absolute(weights)?, hub: absolute(hub)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<WorkerConfig> {
        let needed = [("DATABASE_URL", "postgres://a@b/c"), ("REDIS_URL", "redis://b"), ("APRENDIZ_BUCKET", "c")];
        let all: Vec<_> = pairs.iter().chain(&needed).collect();
        WorkerConfig::read(&Environment::of(|name: &str| all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())))
    }

    #[test]
    fn defaults_are_one_slot_and_thirty_seconds() {
        let config = read(&[]).unwrap();
        assert_eq!((config.slots, config.lease), (1, Duration::from_secs(30)));
    }

    #[test]
    fn base_models_lie_where_the_operator_says_or_in_the_usual_caches() {
        let folders = |pairs: &[(&str, &str)]| {
            let found = read(pairs).unwrap().base_models;
            [found.weights, found.hub].map(|folder| folder.map(|folder| folder.display().to_string()).unwrap_or_default())
        };
        assert_eq!(folders(&[]), ["", ""]);
        assert_eq!(folders(&[("HOME", "/h")]), ["/h/.cache/aprendiz/weights", "/h/.cache/huggingface/hub"]);
        let known = |pairs: &[(&str, &str)]| read(pairs).unwrap().embeddings.folder.map(|folder| folder.display().to_string());
        assert_eq!(known(&[]), None);
        assert_eq!(known(&[("HOME", "/h")]).as_deref(), Some("/h/.cache/aprendiz/embeddings"));
        assert_eq!(known(&[("XDG_CACHE_HOME", "/c"), ("APRENDIZ_EMBEDDINGS", "/e")]).as_deref(), Some("/e"));
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
