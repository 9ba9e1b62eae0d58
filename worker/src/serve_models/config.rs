//! Configuration of the inference process from environment variables.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use aprendiz_artifacts::StoreConfig;
use aprendiz_config::Environment;

/// Environment variables as shown by `serve-models --help`.
pub(super) const ENVIRONMENT: &str = "\
Environment variables:
  APRENDIZ_BUCKET                  S3 bucket of the models (required)
  AWS_*                            S3 credentials, region and AWS_ENDPOINT_URL_S3; the other settings of
                                   the bucket are those of the worker (aprendiz-worker --help)
  APRENDIZ_INFERENCE_SOCKET        Unix domain socket to listen on (or --socket)
  APRENDIZ_INFERENCE_MEMORY_MB     size limit of the loaded models in MiB, by the size of their files
                                   (default: 2048)
  APRENDIZ_INFERENCE_IDLE_SECONDS  time after which a model without requests is unloaded
                                   (default: 900)
  APRENDIZ_INFERENCE_CACHE_DIR     directory of downloaded models
                                   (default: ~/.cache/aprendiz/served-models)
  APRENDIZ_INFERENCE_CACHE_MB      size limit of that directory in MiB (default: 8192)
  APRENDIZ_INFERENCE_THREADS       threads of the computation (default: 0 = all cores)
  APRENDIZ_INFERENCE_BATCH         maximum number of texts that are computed together (default: 32)
  APRENDIZ_INFERENCE_BATCH_WAIT_MS time to wait for further requests of a batch in milliseconds
                                   (default: 2)
  APRENDIZ_INFERENCE_QUEUE         maximum number of waiting requests; further ones are rejected
                                   (default: 64)
  APRENDIZ_INFERENCE_QUEUE_MB      size limit of the waiting requests in MiB (default: 128)
  APRENDIZ_LOG_FORMAT              text or json (default: text on a terminal, otherwise json)
  RUST_LOG                         log filter (default: info)";

/// The configuration of an inference process.
#[derive(Debug, Clone)]
pub(super) struct InferenceConfig {
    pub(super) store: StoreConfig,
    /// `APRENDIZ_INFERENCE_SOCKET`, default none: Unix domain socket to listen on, unless `--socket` names it.
    pub(super) socket: Option<PathBuf>,
    /// `APRENDIZ_INFERENCE_CACHE_DIR`, default below the user's cache folder.
    pub(super) cache_dir: PathBuf,
    /// `APRENDIZ_INFERENCE_CACHE_MB`, in MiB, default 8192, 1 to 16777216: size limit of the downloaded models, here in bytes.
    pub(super) cache_bytes: u64,
    /// `APRENDIZ_INFERENCE_THREADS`, default 0 = all cores, at most 1024. Affects the duration, never the result.
    pub(super) threads: usize,
    pub(super) limits: Limits,
}

/// Limits of memory, batches and the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// `APRENDIZ_INFERENCE_MEMORY_MB`, in MiB, default 2048, 1 to 1048576: size limit of the loaded models, here in KiB.
    pub(super) memory_kib: u32,
    /// `APRENDIZ_INFERENCE_IDLE_SECONDS`, default 900, 1 to 86400.
    pub(super) idle: Duration,
    /// `APRENDIZ_INFERENCE_BATCH`, default 32, 1 to 1024.
    pub(super) batch_texts: usize,
    /// `APRENDIZ_INFERENCE_BATCH_WAIT_MS`, default 2, 0 to 1000.
    pub(super) batch_wait: Duration,
    /// `APRENDIZ_INFERENCE_QUEUE`, default 64, 1 to 10000.
    pub(super) queue_requests: usize,
    /// `APRENDIZ_INFERENCE_QUEUE_MB`, in MiB, default 128, 64 to 65536, here in KiB: size limit of the waiting requests. At least one request
    /// of the largest size must fit.
    pub(super) queue_kib: usize,
}

impl InferenceConfig {
    pub(super) fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Self> {
        let folder = "aprendiz/served-models";
        let cache_dir = env.text("APRENDIZ_INFERENCE_CACHE_DIR").map(PathBuf::from);
        let cache_dir = cache_dir.or_else(|| env.cache_dir(folder)).unwrap_or_else(|| std::env::temp_dir().join(folder));
        Ok(Self {
            store: env.store()?,
            socket: env.text("APRENDIZ_INFERENCE_SOCKET").map(PathBuf::from),
            cache_dir,
            cache_bytes: env.number("APRENDIZ_INFERENCE_CACHE_MB", 8192, 1..=16 << 20)? << 20,
            threads: env.number("APRENDIZ_INFERENCE_THREADS", 0, 0..=1024)?,
            limits: Limits {
                memory_kib: env.number("APRENDIZ_INFERENCE_MEMORY_MB", 2048_u32, 1..=1 << 20)? << 10,
                idle: env.seconds("APRENDIZ_INFERENCE_IDLE_SECONDS", 900.0, 1.0..=86_400.0)?,
                batch_texts: env.number("APRENDIZ_INFERENCE_BATCH", 32, 1..=1024)?,
                batch_wait: Duration::from_millis(env.number("APRENDIZ_INFERENCE_BATCH_WAIT_MS", 2, 0..=1000)?),
                queue_requests: env.number("APRENDIZ_INFERENCE_QUEUE", 64, 1..=10_000)?,
                queue_kib: env.number("APRENDIZ_INFERENCE_QUEUE_MB", 128_usize, 64..=65_536)? << 10,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    fn read(name: &str, value: &str) -> Result<InferenceConfig> {
        InferenceConfig::read(&Environment::from_fn(|variable: &str| match variable {
            "APRENDIZ_BUCKET" => Some("bucket".to_owned()),
            _ => (variable == name).then(|| value.to_owned()),
        }))
    }

    #[test]
    fn every_number_has_a_range() {
        for (name, min, max) in [
            ("APRENDIZ_INFERENCE_MEMORY_MB", 1_i64, 1 << 20),
            ("APRENDIZ_INFERENCE_IDLE_SECONDS", 1, 86_400),
            ("APRENDIZ_INFERENCE_CACHE_MB", 1, 16 << 20),
            ("APRENDIZ_INFERENCE_THREADS", 0, 1024),
            ("APRENDIZ_INFERENCE_BATCH", 1, 1024),
            ("APRENDIZ_INFERENCE_BATCH_WAIT_MS", 0, 1000),
            ("APRENDIZ_INFERENCE_QUEUE", 1, 10_000),
            ("APRENDIZ_INFERENCE_QUEUE_MB", 64, 65_536),
        ] {
            for value in [min, max] {
                assert!(read(name, &value.to_string()).is_ok(), "{name}={value}");
            }
            for value in [(min - 1).to_string(), (max + 1).to_string(), "nan".to_owned(), "1e30".to_owned()] {
                let error = read(name, &value).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{name} is `{value}`: expected ")), "{error}");
                assert!(error.ends_with(&format!(" from {min} to {max}")), "{error}");
            }
        }
    }

    #[test]
    fn the_help_lists_every_variable_of_its_own() {
        let names = RefCell::new(BTreeSet::new());
        let env = Environment::from_fn(|name: &str| {
            names.borrow_mut().insert(name.to_owned());
            (name == "APRENDIZ_BUCKET").then(|| "bucket".to_owned())
        });
        InferenceConfig::read(&env).unwrap();
        for name in names.into_inner().iter().filter(|name| name.starts_with("APRENDIZ_INFERENCE")) {
            assert!(ENVIRONMENT.contains(name.as_str()), "{name}");
        }
    }
}
