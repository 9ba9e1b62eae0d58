//! `--wait`, with the same meaning in every command that starts something.

use clap::Args;

use crate::cli::error::CliError;

/// Whether to wait for what the command starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub(crate) struct WaitArgs {
    /// Wait until it completes: progress goes to standard error, the result to standard output. Ctrl-C stops waiting, nothing else
    #[arg(short, long, visible_alias = "watch")]
    pub(crate) wait: bool,
}

/// Waits for something unless Ctrl-C comes first; `hint` then says how to continue.
pub(crate) async fn interruptible<T>(wait: impl Future<Output = Result<T, CliError>>, hint: impl FnOnce()) -> Result<T, CliError> {
    tokio::select! {
        outcome = wait => outcome,
        _ = tokio::signal::ctrl_c() => {
            hint();
            Err(CliError::Interrupted)
        }
    }
}
