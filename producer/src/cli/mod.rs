//! The command line. `serve`, `migrate`, `doctor` and `api-key` access the services directly; all other commands are clients of the
//! HTTP API.

mod annotations;
mod archive;
mod arguments;
mod child_runs;
mod connection;
mod dataset;
mod document;
mod error;
mod field;
mod global;
mod http;
mod import;
mod model;
mod operations;
mod run;
mod session;
mod shell;
mod sweep;
mod tags;
mod terminal;

use std::process::ExitCode;

use aprendiz_config::Environment;
use aprendiz_telemetry::Service;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use self::connection::Connection;
use self::error::CliError;
use self::global::GlobalArgs;
use self::http::Client;
use self::terminal::{Output, print_json_line, unknown_columns};
use crate::api::open_api;
use crate::config::ServerConfig;
use crate::server;

/// Train models on reviewed annotations: server and command line
#[derive(Debug, Parser)]
#[command(name = "aprendiz", version, long_version = env!("APRENDIZ_BUILD_VERSION"), propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  aprendiz migrate                                    create the database schema
  aprendiz api-key create --name me --role operator   create the first API key
  aprendiz serve                                      start the server
  aprendiz import export.json.gz                      import a Label Studio export
  aprendiz login --url https://aprendiz.example.org   store URL and API key in a profile
  aprendiz run create --model contracts --wait        train a model and wait for the run
  aprendiz run get @latest                            show status, attempts and metrics
  aprendiz run explain ID                             explain why a run is waiting or failed
  aprendiz model download contracts -d ./contracts    download the newest version
  aprendiz predict --model contracts contract.txt     predict the fields of a document
  aprendiz train-st --training-run ID --wait          train an encoder on the data of a run

Exit codes:
  0    success
  1    failure
  2    invalid usage
  3    the API rejected the request or every task of an import, or the resource was not found
  4    the awaited run failed or was cancelled
  5    the API cannot be reached, or a response was cut off
  6    migrate --check found pending migrations
  130  Ctrl-C while waiting; what was started goes on

ID is a whole ID, its first or last 4 or more digits if they are unambiguous, @latest, or @latest:MODEL. With -o json, errors are JSON on
standard error.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the HTTP API and the background tasks
    #[command(after_help = SERVE_HELP)]
    Serve {
        /// Do not run the outbox relay; another process must run it
        #[arg(long)]
        no_relay: bool,
        /// Do not run the reaper and the sweeper; another process must run them
        #[arg(long)]
        no_reaper: bool,
        /// Also start aprendiz-worker serve-models on this host, and restart it when it ends: field classifiers predict through it
        #[arg(long)]
        with_inference: bool,
    },
    /// Apply, check or revert database migrations
    Migrate(operations::migrate::MigrateArgs),
    /// Verify an API key, and store it with the URL in a profile
    Login(session::LoginArgs),
    /// Remove a profile and its API key from this computer
    Logout(session::LogoutArgs),
    /// Show the API key in use: name, role, expiry and server
    #[command(after_help = "Examples:\n  aprendiz whoami\n  aprendiz whoami --profile prod -o json")]
    Whoami,
    /// Show the versions of client and server
    #[command(after_help = "Examples:\n  aprendiz version\n  aprendiz version -o json")]
    Version,
    /// Print a completion script for a shell
    Completions(shell::completions::CompletionsArgs),
    /// Write manual pages
    Man(shell::man::ManArgs),
    /// Print the OpenAPI document of this version, without a server
    #[command(after_help = "Examples:\n  aprendiz openapi > openapi.json\n  aprendiz openapi | jq '.paths | keys'")]
    Openapi,
    /// Check the API and its workers, or all services of a server, and suggest fixes
    Doctor(operations::doctor::DoctorArgs),
    /// Create, list and revoke API keys directly in the database
    #[command(subcommand)]
    ApiKey(operations::api_key::ApiKeyCommand),
    /// Import a Label Studio JSON export, plain or gzip-compressed
    Import(import::ImportArgs),
    /// List, watch and revert imports, and repair quarantined tasks
    #[command(subcommand)]
    Imports(import::ImportsCommand),
    /// Start, watch and manage training runs
    #[command(subcommand)]
    Run(run::RunCommand),
    /// Train trials with different parameters, and publish the best
    Sweep(Box<sweep::SweepArgs>),
    /// List, build, download, compare and verify dataset snapshots
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// List, tag and download published models
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// List, search, show, create, annotate, trace and erase documents
    #[command(subcommand)]
    Document(document::DocumentCommand),
    /// List, archive and unarchive projects
    #[command(subcommand)]
    Project(archive::ProjectCommand),
    /// Export annotations, list pending reviews and accept predictions
    #[command(subcommand)]
    Annotations(annotations::AnnotationsCommand),
    /// Predict the fields of a text with a published model
    Predict(model::predict::PredictArgs),
    /// Compute embeddings with a published encoder
    Embed(model::embed::EmbedArgs),
    /// List and drain workers
    #[command(subcommand)]
    Worker(operations::worker::WorkerCommand),
    /// Show queue statistics
    #[command(subcommand)]
    Queue(operations::queue::QueueCommand),
    /// List the browsers that are signed in, and sign them out
    #[command(subcommand)]
    WebSession(operations::web_session::WebSessionCommand),
    /// Show the audit log
    #[command(subcommand)]
    Audit(operations::audit::AuditCommand),
    /// List, declare and normalize fields
    #[command(subcommand)]
    Field(field::FieldCommand),
    /// Build the dataset snapshot of a run in a child run, or import a legacy review file
    Ingest(child_runs::IngestArgs),
    /// Score the extractor's predictions, stored for the data of a run or read from a legacy review file
    Eval(child_runs::EvalArgs),
    /// Train a sentence transformer on the data of a run
    TrainSt(child_runs::TrainStArgs),
}

const SERVE_HELP: &str = "\
Environment variables:
  DATABASE_URL, or PG*                     PostgreSQL connection (required)
  REDIS_URL                                Redis connection (required)
  APRENDIZ_BUCKET                          S3 bucket for datasets and models (required)
  AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
                                           S3 endpoint and credentials
  AWS_CA_BUNDLE                            PEM file of the certificate authorities of S3 (default: system)
  AWS_REQUEST_CHECKSUM_CALCULATION, AWS_RESPONSE_CHECKSUM_VALIDATION
                                           when_supported (default), or when_required for S3 servers without checksums
  APRENDIZ_LISTEN                          listen address (default: 127.0.0.1:8080)
  APRENDIZ_CORS_ORIGINS                    allowed origins of web pages, comma-separated (default: none)
  APRENDIZ_SESSION_IDLE_SECONDS            time without a request after which a browser must sign in (default: 28800)
  APRENDIZ_SESSION_MAX_SECONDS             time from the sign-in after which a browser must sign in (default: 604800)
  APRENDIZ_SESSION_COOKIE_SECURE           auto, always or never: whether the session cookie needs TLS (default: auto)
  APRENDIZ_OIDC_ISSUER                     OpenID Connect provider with which people sign in (default: none)
  APRENDIZ_OIDC_CLIENT_ID, APRENDIZ_OIDC_CLIENT_SECRET or APRENDIZ_OIDC_CLIENT_SECRET_FILE
                                           this installation at the provider (the secret is optional)
  APRENDIZ_OIDC_SCOPES                     what a sign-in asks for (default: openid email profile)
  APRENDIZ_OIDC_TITLE                      name of the provider on the sign-in page (default: its host)
  APRENDIZ_OIDC_ROLES                      role=group,role=group: who may do what (default: none)
  APRENDIZ_OIDC_ROLES_CLAIM                claim with the groups, by name or path (default: groups)
  APRENDIZ_OIDC_PROJECTS                   project=group,project=group: who sees which projects, * for all (default: all)
  APRENDIZ_OIDC_DEFAULT_ROLE               role of everybody else at the provider (default: none, they are refused)
  APRENDIZ_OIDC_AUDIENCE                   audiences of bearer tokens, comma-separated (default: none are accepted)
  APRENDIZ_OIDC_REDIRECT_URL               address of /auth/oidc/callback (default: from the Host of each request)
  APRENDIZ_DEFAULT_MODEL                   model name of POST /training-runs (default: default)
  APRENDIZ_SPLIT_RATIOS                    ratios of train, validation and test (default: 0.7,0.15,0.15)
  APRENDIZ_MAX_IMPORT_BYTES                maximum size of an upload (default: 4 GiB)
  APRENDIZ_MAX_IMPORT_DECOMPRESSED_BYTES   maximum decompressed size of an upload (default: 64 GiB)
  APRENDIZ_REQUEST_TIMEOUT_SECONDS         request timeout (default: 30)
  APRENDIZ_MAX_REQUESTS                    maximum number of concurrent ordinary requests (default: 256)
  APRENDIZ_TRUSTED_PROXIES                 proxies whose X-Forwarded-For is believed, comma-separated (default: none)
  APRENDIZ_DATABASE_DIRECT_URL             the same database without the pooler of DATABASE_URL (default: none)
  APRENDIZ_DATABASE_CONNECTIONS            maximum number of database connections (default: 16)
  APRENDIZ_QUEUE_PREFIX                    prefix of Redis keys (default: aprendiz)
  APRENDIZ_BUCKET_PREFIX                   prefix of object keys (default: none)
  APRENDIZ_BUCKET_ADDRESSING               path (host/bucket) or virtual (bucket.host)
                                           (default: path with a custom endpoint, otherwise virtual)
  APRENDIZ_MODEL_CACHE_DIR                 directory for downloaded models (default: user cache directory)
  APRENDIZ_MODEL_CACHE_SIZE                maximum number of models in memory (default: 4)
  APRENDIZ_INFERENCE_SOCKET                Unix domain socket of aprendiz-worker serve-models, through which field
                                           classifiers predict (default: none; with --with-inference, a private one)
  APRENDIZ_SWEEP_AFTER_SECONDS             minimum age of orphaned objects to delete (default: 86400)
  APRENDIZ_SWEEP_EVERY_SECONDS             sweep interval (default: 60)
  APRENDIZ_CHECKPOINT_KEEP_SECONDS         checkpoint retention of failed and cancelled runs (default: 604800)
  APRENDIZ_LOG_FORMAT                      text or json (default: text on a terminal, otherwise json)
  RUST_LOG                                 log filter (default: info)
  OTEL_EXPORTER_OTLP_ENDPOINT              collector of traces, such as http://127.0.0.1:4318; the other variables OTEL_* of
                                           OpenTelemetry are honoured, too (default: no traces)

Examples:
  aprendiz serve
  aprendiz serve --with-inference                    also predict with field classifiers
  aprendiz serve --no-reaper                         a second server, which runs only the API and the relay

Limits on slow clients, uploads and connections have variables of their own: docs/OPERATIONS.md.

DATABASE_URL, APRENDIZ_DATABASE_DIRECT_URL, REDIS_URL and PGPASSWORD can also be read from files: set DATABASE_URL_FILE and so on.";

/// The server as traces name it.
const SERVICE: Service = Service { name: "aprendiz", version: env!("CARGO_PKG_VERSION") };

/// Parses the arguments of this process. Invalid ones end it, with help or an error.
pub(crate) fn parse() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| {
        let is_help = matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
        if is_help || !requests_json(std::env::args().skip(1)) {
            error.exit();
        }
        let text = error.render().to_string();
        let error = CliError::Usage(text.trim().trim_start_matches("error: ").to_owned());
        error.print(Output::Json);
        std::process::exit(2);
    })
}

/// Whether arguments that cannot be parsed request an output for programs.
fn requests_json(arguments: impl Iterator<Item = String>) -> bool {
    let arguments: Vec<String> = arguments.take_while(|argument| argument != "--").collect();
    let is_json = |format: &str| ["json", "jsonl", "yaml"].contains(&format.trim_start_matches('='));
    let pair = |pair: &[String]| ["-o", "--output"].contains(&pair[0].as_str()) && is_json(&pair[1]);
    let joined = |argument: &String| {
        let format = argument.strip_prefix("--output=").or_else(|| argument.strip_prefix("-o"));
        format.is_some_and(is_json)
    };
    arguments.windows(2).any(pair) || arguments.iter().any(joined)
}

/// Runs a command and reports its failure.
pub(crate) async fn run(cli: Cli) -> ExitCode {
    let output = cli.global.format();
    match dispatch(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print(output);
            error.code()
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), CliError> {
    let Cli { global, command } = cli;
    let env = Environment::process();
    global.apply(&env)?;
    let output = global.format();
    let is_server = matches!(command, Command::Serve { .. });
    // commands are clients: only the server exports traces
    let traces = if is_server { env.traces()? } else { None };
    let filter = if is_server { "info" } else { "warn" };
    let telemetry = aprendiz_telemetry::start(&env.log()?, filter, traces.as_ref(), SERVICE).map_err(anyhow::Error::from)?;
    let connection = || Connection::resolve(&global.client, &env);
    let client = || Client::new(&connection()?);
    let client_args = &global.client;
    match command {
        Command::Serve { no_relay, no_reaper, with_inference } => {
            let options = server::ServeOptions { relay: !no_relay, reaper: !no_reaper, inference: with_inference };
            let outcome = server::run(ServerConfig::from_env()?, options).await;
            // the flush blocks for a moment, and nothing else is left to do
            telemetry.finish();
            Ok(outcome?)
        }
        Command::Migrate(args) => operations::migrate::run(&args, output).await,
        Command::Login(session::LoginArgs {}) => session::login(client_args, output).await,
        Command::Logout(session::LogoutArgs {}) => session::logout(client_args, output),
        Command::Whoami => session::whoami(&connection()?, output).await,
        Command::Version => session::version(&client()?, output).await,
        Command::Completions(args) => shell::completions::run(&args, Cli::command()),
        Command::Man(args) => shell::man::run(&args, Cli::command(), output),
        Command::Openapi => Ok(print_json_line(&open_api().to_pretty_json().expect("the document is JSON"))?),
        Command::Doctor(args) => operations::doctor::run(&client()?, &args, output).await,
        Command::ApiKey(command) => operations::api_key::run(&command, output).await,
        Command::Import(args) => import::create(&client()?, &args, output).await,
        Command::Imports(command) => import::run(&client()?, &command, output).await,
        Command::Run(command) => run::run(&client()?, command, output).await,
        Command::Sweep(args) => sweep::run(&client()?, *args, output).await,
        Command::Dataset(command) => dataset::run(&client()?, &command, output).await,
        Command::Document(command) => document::run(&client()?, &command, output).await,
        Command::Project(command) => archive::run_project(&client()?, &command, output).await,
        Command::Annotations(command) => annotations::run(&client()?, &command, output).await,
        Command::Model(command) => model::run(&client()?, &command, output).await,
        Command::Predict(args) => model::predict::run(&client()?, &args, output).await,
        Command::Embed(args) => model::embed::run(&client()?, &args).await,
        Command::Worker(command) => operations::worker::run(&client()?, &command, output).await,
        Command::Queue(command) => operations::queue::run(&client()?, &command, output).await,
        Command::WebSession(command) => operations::web_session::run(&client()?, &command, output).await,
        Command::Audit(command) => operations::audit::run(&client()?, &command, output).await,
        Command::Field(command) => field::run(&client()?, &command, output).await,
        Command::Ingest(args) => child_runs::ingest(&client()?, &args, output).await,
        Command::Eval(args) => child_runs::eval(&client()?, &args, output).await,
        Command::TrainSt(args) => child_runs::train_st(&client()?, args, output).await,
    }?;
    unknown_columns().map_or(Ok(()), |text| Err(CliError::Usage(text)))
}

#[cfg(test)]
mod tests;
