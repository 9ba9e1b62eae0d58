//! The registry part of `aprendiz model`: which version answers, promotion, comparison, settings, retirement.

mod aliases;
mod compared_targets;
mod comparison;
mod delete_files;
mod promotion;
mod requests;
mod retire;
mod settings;
mod shadow;

use clap::Subcommand;
use uuid::Uuid;

pub(crate) use self::comparison::compare_runs;

use crate::cli::arguments::time::TimeArgument;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::model::registry::retire::RetireArgs;
use crate::cli::model::registry::settings::SettingsArgs;
use crate::cli::terminal::Output;

/// The alias that answers predictions.
const CHAMPION: &str = "champion";

/// Subcommands of `aprendiz model` about which version answers.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Compare two versions, or one with the extractor, on the same test documents: differences, intervals, and what the gate would decide
    #[command(
        after_help = "Examples:\n  aprendiz model compare contracts                      the newest version with the champion\n  aprendiz model compare contracts --candidate 4 --baseline 2\n  aprendiz model compare contracts --baseline extractor  the newest version with the stored predictions of the extractor"
    )]
    Compare {
        /// Model name
        name: String,
        /// Version that may replace the other, or `extractor` [default: newest]
        #[arg(long, value_name = "NUMBER|extractor")]
        candidate: Option<String>,
        /// Version to compare with, or `extractor` [default: champion]
        #[arg(long, value_name = "NUMBER|extractor")]
        baseline: Option<String>,
    },
    /// Make a version the champion, which answers predictions, or set another alias
    #[command(
        after_help = "Examples:\n  aprendiz model promote contracts 4\n  aprendiz model promote contracts 4 --alias challenger\n  aprendiz model promote contracts 4 --override --reason 'the test documents are outdated'"
    )]
    Promote {
        /// Model name
        name: String,
        /// Version number
        number: i32,
        /// Alias to set
        #[arg(long, default_value = CHAMPION)]
        alias: String,
        /// Why; kept in the history of the alias
        #[arg(long)]
        reason: Option<String>,
        /// Promote against the gate; requires the role admin and a reason
        #[arg(long = "override", requires = "reason")]
        overridden: bool,
    },
    /// Set an alias back to the version before its last promotion
    #[command(
        after_help = "Examples:\n  aprendiz model rollback contracts --reason 'misreads addenda'\n  aprendiz model rollback contracts --to 2"
    )]
    Rollback {
        /// Model name
        name: String,
        /// Alias to set back
        #[arg(long, default_value = CHAMPION)]
        alias: String,
        /// Version to go back to, which the alias named before
        #[arg(long, value_name = "NUMBER")]
        to: Option<i32>,
        /// Why; kept in the history of the alias
        #[arg(long)]
        reason: Option<String>,
    },
    /// Show how often the challenger differs from the champion on the inputs of predictions, and which one was right
    ///
    /// While the alias challenger names a version, it repeats predictions of the champion in the background.
    #[command(
        after_help = "Examples:\n  aprendiz model shadow contracts\n  aprendiz model shadow contracts --champion 3 --challenger 4 --field governing_law"
    )]
    Shadow {
        /// Model name
        name: String,
        /// Version that answered [default: champion]
        #[arg(long, value_name = "NUMBER")]
        champion: Option<i32>,
        /// Version that was compared with it [default: challenger]
        #[arg(long, value_name = "NUMBER")]
        challenger: Option<i32>,
        /// Only this field
        #[arg(long)]
        field: Option<String>,
    },
    /// Set an alias of a model
    #[command(subcommand)]
    Alias(AliasCommand),
    /// List the aliases of a model
    #[command(after_help = "Example:\n  aprendiz model aliases contracts")]
    Aliases {
        /// Model name
        name: String,
    },
    /// Show how an alias changed, or which version it named at a time
    #[command(after_help = "Examples:\n  aprendiz model history contracts\n  aprendiz model history contracts --at 2026-11-01T12:00:00Z")]
    History {
        /// Model name
        name: String,
        /// Alias
        #[arg(long, default_value = CHAMPION)]
        alias: String,
        /// Show only the change that was in effect at this time, or this long ago
        #[arg(long, value_name = "TIME")]
        at: Option<TimeArgument>,
    },
    /// Remove an alias
    #[command(after_help = "Example:\n  aprendiz model unalias contracts challenger")]
    Unalias {
        /// Model name
        name: String,
        /// Alias
        alias: String,
        /// Why; kept in the history of the alias
        #[arg(long)]
        reason: Option<String>,
    },
    /// Show or change description, owner and promotion rules of a model
    Settings(SettingsArgs),
    /// List promotions that wait for the approval of another key
    #[command(after_help = "Examples:\n  aprendiz model requests contracts\n  aprendiz model requests contracts --all")]
    Requests {
        /// Model name
        name: String,
        /// Also list decided requests
        #[arg(long)]
        all: bool,
    },
    /// Approve a requested promotion
    #[command(after_help = "Example:\n  aprendiz model approve contracts 01a1fd0a-322b-77a3-a61c-68ecd237a2dc")]
    Approve {
        /// Model name
        name: String,
        /// ID of the request
        id: Uuid,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Reject a requested promotion
    #[command(
        after_help = "Example:\n  aprendiz model reject contracts 01a1fd0a-322b-77a3-a61c-68ecd237a2dc --reason 'too few test documents'"
    )]
    Reject {
        /// Model name
        name: String,
        /// ID of the request
        id: Uuid,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Retire a version, or all versions that used a document: they answer nothing any more and cannot be promoted
    Retire(RetireArgs),
    /// Delete the files of a retired version; its metrics and history stay
    #[command(
        name = "delete-files",
        after_help = "Example:\n  aprendiz model delete-files contracts 2 --reason 'contains an erased document'\n\nRefused while something refers to the version: it is not retired, an alias or a pending promotion names it, a run\nreads it, or a version that was trained from it still has files. Requires the role admin."
    )]
    DeleteFiles {
        /// Model name
        name: String,
        /// Version number
        number: i32,
        /// Why; it is kept with the version
        #[arg(long)]
        reason: String,
    },
}

/// Subcommands of `aprendiz model alias`.
#[derive(Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// Set an alias; only champion goes through the gate
    #[command(after_help = "Example:\n  aprendiz model alias set contracts challenger 4")]
    Set {
        /// Model name
        name: String,
        /// Alias to set
        alias: String,
        /// Version number
        number: i32,
        /// Why; kept in the history of the alias
        #[arg(long)]
        reason: Option<String>,
    },
}

pub(crate) async fn run(client: &Client, command: &RegistryCommand, output: Output) -> Result<(), CliError> {
    match command {
        RegistryCommand::Compare { name, candidate, baseline } => {
            comparison::compare_versions(client, name, candidate.as_deref(), baseline.as_deref(), output).await
        }
        RegistryCommand::Promote { name, number, alias, reason, overridden } => {
            promotion::promote(client, name, *number, alias, reason.as_deref(), *overridden, output).await
        }
        RegistryCommand::Rollback { name, alias, to, reason } => {
            promotion::roll_back(client, name, alias, *to, reason.as_deref(), output).await
        }
        RegistryCommand::Shadow { name, champion, challenger, field } => {
            shadow::show(client, name, *champion, *challenger, field.as_deref(), output).await
        }
        RegistryCommand::Alias(AliasCommand::Set { name, alias, number, reason }) => {
            promotion::promote(client, name, *number, alias, reason.as_deref(), false, output).await
        }
        RegistryCommand::Aliases { name } => aliases::list(client, name, output).await,
        RegistryCommand::History { name, alias, at } => aliases::history(client, name, alias, *at, output).await,
        RegistryCommand::Unalias { name, alias, reason } => aliases::remove(client, name, alias, reason.as_deref(), output).await,
        RegistryCommand::Settings(args) => settings::run(client, args, output).await,
        RegistryCommand::Requests { name, all } => requests::list(client, name, *all, output).await,
        RegistryCommand::Approve { name, id, reason } => requests::decide(client, name, *id, "approve", reason.as_deref(), output).await,
        RegistryCommand::Reject { name, id, reason } => requests::decide(client, name, *id, "reject", Some(reason), output).await,
        RegistryCommand::Retire(args) => retire::run(client, args, output).await,
        RegistryCommand::DeleteFiles { name, number, reason } => delete_files::run(client, name, *number, reason, output).await,
    }
}
