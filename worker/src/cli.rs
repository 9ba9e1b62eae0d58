//! Command line of `aprendiz-worker`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::embed::EmbedArgs;
use crate::serve_models::ServeModelsArgs;

/// Environment variables as shown by `--help`.
const ENVIRONMENT: &str = "\
Environment variables:
  DATABASE_URL                     Postgres URL, or the PG* variables (required)
  REDIS_URL                        Redis URL (required)
  REDIS_CLIENT_CERT, REDIS_CLIENT_KEY
                                   client certificate for Redis and its key, in PEM format
                                   (default: none)
  APRENDIZ_BUCKET                  S3 bucket for datasets and models (required)
  AWS_*                            S3 credentials, region and AWS_ENDPOINT_URL_S3
  AWS_CA_BUNDLE                    PEM file of the certificate authorities of S3 (default: system)
  AWS_REQUEST_CHECKSUM_CALCULATION, AWS_RESPONSE_CHECKSUM_VALIDATION
                                   when_supported, or when_required for S3 servers that do not know
                                   checksums (default: when_supported)
  APRENDIZ_DATABASE_DIRECT_URL     the same database without the pooler of DATABASE_URL
                                   (default: none)
  APRENDIZ_DATABASE_CONNECTIONS    maximum number of database connections (default: 16)
  APRENDIZ_QUEUE_PREFIX            prefix of the Redis keys and channels (default: aprendiz)
  APRENDIZ_BUCKET_PREFIX           prefix of the object keys (default: none)
  APRENDIZ_BUCKET_ADDRESSING       path (host/bucket) or virtual (bucket.host)
                                   (default: path with a custom endpoint, otherwise virtual)
  APRENDIZ_BUCKET_TIMEOUT_SECONDS  timeout of object-store requests (default: 30)

  APRENDIZ_SLOTS                   maximum number of concurrent runs, 1 to 64 (default: 1)
  APRENDIZ_LABELS                  labels that a run may require, as gpu,zone=eu,memory=64 (default: none)
  APRENDIZ_THREADS                 threads per training (default: 0 = all cores)
  APRENDIZ_SCRATCH                 directory for temporary files
                                   (default: system temporary directory)
  APRENDIZ_LEASE_SECONDS           time until runs of a silent worker are requeued (default: 30)
  APRENDIZ_POLL_SECONDS            interval between polls for runs (default: 30)
  APRENDIZ_CHECKPOINT_SECONDS      interval between checkpoints (default: 30)
  APRENDIZ_GRACE_SECONDS           time to save and release runs at shutdown (default: 20)
  APRENDIZ_CHILD_SILENCE_SECONDS   time without output after which a training process is killed
                                   (default: 600)

  APRENDIZ_BASE_MODELS             directory of base models (default: ~/.cache/aprendiz/weights)
  HF_HUB_CACHE, HF_HOME            Hugging Face cache to look up base models in
                                   (default: ~/.cache/huggingface/hub)
  APRENDIZ_HUB                     endpoint to download missing base models from
                                   (default: disabled)
  HF_TOKEN                         token for private and gated models (default: none)
  APRENDIZ_EMBEDDINGS              directory of the local embedding cache
                                   (default: ~/.cache/aprendiz/embeddings)
  APRENDIZ_EMBEDDINGS_MB           size limit of the embedding cache in MiB
                                   (default: 1024; 0 disables it)

  APRENDIZ_PROBE_LISTEN            address of /healthz, /readyz and /metrics, such as
                                   127.0.0.1:9090 (default: disabled)
  APRENDIZ_LOG_FORMAT              text or json (default: text on a terminal, otherwise json)
  RUST_LOG                         log filter (default: info,sqlx=warn)
  OTEL_EXPORTER_OTLP_ENDPOINT      collector of traces, such as http://127.0.0.1:4318; the other
                                   variables OTEL_* of OpenTelemetry are honoured, too
                                   (default: no traces)

DATABASE_URL, APRENDIZ_DATABASE_DIRECT_URL, PGPASSWORD, REDIS_URL and HF_TOKEN can be read from a file named by NAME_FILE.";

/// Claim training runs and execute them: build the dataset, train in a child process, evaluate, upload and publish.
///
/// Start any number of workers on any number of hosts. Each one is configured by the environment variables below.
///
/// SIGTERM or Ctrl-C saves a checkpoint and releases running runs without spending an attempt; a second signal exits immediately.
/// `aprendiz worker drain` lets the worker finish its runs first.
#[derive(Parser)]
#[command(name = "aprendiz-worker", version, long_version = env!("APRENDIZ_BUILD_VERSION"), propagate_version = true, after_long_help = ENVIRONMENT)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Train one job; started by the worker itself, without access to the database or the object store
    #[command(hide = true)]
    Train {
        /// The job file
        #[arg(long)]
        job: PathBuf,
        /// Process id of the worker
        #[arg(long)]
        parent: i32,
    },
    /// Evaluate an encoder; started by the worker itself, like `train`
    #[command(hide = true)]
    Evaluate {
        /// The job file
        #[arg(long)]
        job: PathBuf,
        /// Process id of the worker
        #[arg(long)]
        parent: i32,
    },
    /// Compute embeddings of texts with an encoder directory; needs no database, queue or object store
    Embed(EmbedArgs),
    /// Predict with field classifiers for the API, on a Unix domain socket; needs only the object store
    ServeModels(ServeModelsArgs),
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use aprendiz_config::Environment;
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::WorkerConfig;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_version_names_the_program() {
        let version = Arguments::command().render_version();
        assert_eq!(version, format!("aprendiz-worker {}\n", env!("CARGO_PKG_VERSION")));
        assert!(Arguments::command().render_long_version().starts_with(version.trim_end()), "-V is without, --version with the revision");
    }

    #[test]
    fn help_lists_every_variable() {
        let names = RefCell::new(BTreeSet::new());
        let env = Environment::from_fn(|name: &str| {
            names.borrow_mut().insert(name.to_owned());
            match name {
                "DATABASE_URL" => Some("postgres://a@b/c".to_owned()),
                "REDIS_URL" => Some("redis://b".to_owned()),
                "APRENDIZ_BUCKET" => Some("c".to_owned()),
                "APRENDIZ_HUB" => Some("https://huggingface.co".to_owned()),
                _ => None,
            }
        });
        WorkerConfig::read(&env).unwrap();
        env.log().unwrap();
        let help = Arguments::command().render_long_help().to_string();
        for name in names.borrow().iter().filter(|name| !name.ends_with("_FILE") && !["HOME", "XDG_CACHE_HOME"].contains(&name.as_str())) {
            assert!(help.contains(name.as_str()), "{name} is not in\n{help}");
        }
    }
}
