//! The command line. `serve`, `migrate`, `doctor` and `api-key` talk to the services themselves; everything else is a client
//! of the HTTP API and can do no more than any other client.

mod annotations;
mod api_key;
mod audit;
mod client;
mod dataset;
mod dataset_text;
mod derived;
mod doctor;
mod document;
mod download;
mod embed;
mod exit;
mod field;
mod import;
mod imports;
mod legacy_csv;
mod lineage;
mod metrics_table;
mod migrate;
mod model;
mod moment;
mod output;
mod pages;
mod predict;
mod queue;
mod run;
mod spinner;
mod sse;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use environment::Environment;

use self::client::Client;
use self::exit::CliError;
use self::output::Output;
use crate::config::{ClientArgs, ServerConfig};
use crate::serve;

/// Learns from reviewed annotations: the server, and its command line
#[derive(Debug, Parser)]
#[command(name = "aprendiz", version, propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    client: ClientArgs,
    /// How to print
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  aprendiz migrate                                    prepare the database
  aprendiz api-key create --name me --role operator   make the first key
  aprendiz serve                                      start API, relay and reaper
  aprendiz import export.json.gz                      take in a Label Studio export
  aprendiz run create --model contracts --watch       train, and follow it
  aprendiz run get ID                                 status, attempts, metrics
  aprendiz run explain ID                             why it waits or failed, and what to do
  aprendiz model download contracts -d ./contracts    fetch the newest version
  aprendiz predict --model contracts contract.txt     ask it
  aprendiz train-st --training-run ID --wait          train an encoder on the data of a run

Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  the API refused, or there is no such thing
  4  the run that was waited for failed or was cancelled
  5  the API cannot be reached";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the HTTP API with its relay and reaper
    #[command(after_help = SERVE_HELP)]
    Serve {
        /// Do not announce runs in Redis: another process does
        #[arg(long)]
        no_relay: bool,
        /// Do not take back expired leases nor keep the bucket clean: another process does
        #[arg(long)]
        no_reaper: bool,
    },
    /// Apply or revert database migrations
    Migrate(migrate::MigrateArgs),
    /// Check database, migrations, Redis, bucket and API, and say what to do
    Doctor,
    /// Create, list and revoke API keys, directly in the database
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Import a Label Studio JSON export, plain or gzip
    Import(import::ImportArgs),
    /// List and follow imports, and repair what they could not take in
    #[command(subcommand)]
    Imports(imports::ImportsCommand),
    /// Create and follow training runs
    #[command(subcommand)]
    Run(run::RunCommand),
    /// Download, compare and verify dataset snapshots
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// List and download published models
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Take in, annotate and erase a document, show its history, its split and what it went into
    #[command(subcommand)]
    Document(document::DocumentCommand),
    /// Take annotations out, see what waits for review, accept predictions
    #[command(subcommand)]
    Annotations(annotations::AnnotationsCommand),
    /// Ask a published model
    Predict(predict::PredictArgs),
    /// Turn texts into vectors with a published encoder
    Embed(embed::EmbedArgs),
    /// List workers, and ask one to drain
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
    /// Show the queue in numbers
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Show who changed what
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// List and declare labelled fields
    #[command(subcommand)]
    Field(field::FieldCommand),
    /// Build the dataset snapshot of a run, and print the id of the run that does it; or take in a legacy review file
    Ingest(derived::IngestArgs),
    /// Score the stored predictions of the extractor over the data of a run, or a legacy review file
    Eval(derived::EvalArgs),
    /// Train a sentence transformer on the data of a run
    TrainSt(derived::TrainStArgs),
}

const SERVE_HELP: &str = "\
Environment:
  DATABASE_URL (or PG*), REDIS_URL, APRENDIZ_BUCKET, AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION
  APRENDIZ_LISTEN                          127.0.0.1:8080
  APRENDIZ_CORS_ORIGINS                    none; origins of web pages, separated by commas
  APRENDIZ_DEFAULT_MODEL                   default; model name of POST /training-runs
  APRENDIZ_SPLIT_RATIOS                    0.7,0.15,0.15; shares of train, validation and test
  APRENDIZ_MAX_IMPORT_BYTES                4 GiB, as sent
  APRENDIZ_MAX_IMPORT_DECOMPRESSED_BYTES   64 GiB
  APRENDIZ_REQUEST_TIMEOUT_SECONDS         30
  APRENDIZ_MAX_REQUESTS                    256 at once
  APRENDIZ_DATABASE_CONNECTIONS            16
  APRENDIZ_QUEUE_PREFIX                    aprendiz; prefix of every key in Redis
  APRENDIZ_BUCKET_PREFIX                   none; prefix of every key in the bucket
  APRENDIZ_MODEL_CACHE_DIR, APRENDIZ_MODEL_CACHE_SIZE
  APRENDIZ_SWEEP_AFTER_SECONDS             86400; age from which objects that belong to nothing are deleted
  APRENDIZ_SWEEP_EVERY_SECONDS             60
  APRENDIZ_CHECKPOINT_KEEP_SECONDS         604800; checkpoints of failed and cancelled runs, for a retry
  APRENDIZ_LOG_FORMAT                      text or json
  RUST_LOG                                 info
DATABASE_URL, REDIS_URL and PGPASSWORD can come from files: DATABASE_URL_FILE and so on.";

/// Runs one command.
pub(crate) async fn run(cli: Cli) -> ExitCode {
    match dispatch(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            error.code()
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), CliError> {
    let Cli { client, output, command } = cli;
    let serving = matches!(command, Command::Serve { .. });
    environment::init_logs(&Environment::process().log()?, if serving { "info" } else { "warn" })?;
    let client = || Client::new(&client);
    match command {
        Command::Serve { no_relay, no_reaper } => {
            serve::run(ServerConfig::from_env()?, serve::Duties { relay: !no_relay, reaper: !no_reaper }).await?;
            Ok(())
        }
        Command::Migrate(args) => migrate::run(&args).await,
        Command::Doctor => doctor::run(&client()?, output).await,
        Command::ApiKey(command) => api_key::run(&command, output).await,
        Command::Import(args) => import::run(&client()?, &args, output).await,
        Command::Imports(command) => imports::run(&client()?, &command, output).await,
        Command::Run(command) => run::run(&client()?, command, output).await,
        Command::Dataset(command) => dataset::run(&client()?, &command, output).await,
        Command::Document(command) => document::run(&client()?, &command, output).await,
        Command::Annotations(command) => annotations::run(&client()?, &command, output).await,
        Command::Model(command) => model::run(&client()?, &command, output).await,
        Command::Predict(args) => predict::run(&client()?, &args, output).await,
        Command::Embed(args) => embed::run(&client()?, &args).await,
        Command::Worker(command) => worker::run(&client()?, &command, output).await,
        Command::Queue(command) => queue::run(&client()?, &command, output).await,
        Command::Audit(command) => audit::run(&client()?, &command, output).await,
        Command::Field(command) => field::run(&client()?, &command, output).await,
        Command::Ingest(args) => derived::ingest(&client()?, &args, output).await,
        Command::Eval(args) => derived::eval(&client()?, &args, output).await,
        Command::TrainSt(args) => derived::train_st(&client()?, args, output).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_work_after_the_command() {
        let cli = Cli::try_parse_from(["aprendiz", "run", "list", "-o", "json", "--url", "http://x:1"]).unwrap();
        assert_eq!((cli.output, cli.client.url.as_str()), (Output::Json, "http://x:1"));
    }
}
