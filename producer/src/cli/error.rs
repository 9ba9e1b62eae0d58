//! Command failures and their exit codes, as documented in `--help`.

use std::process::ExitCode;

use crate::cli::terminal::print_message;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CliError {
    /// A local failure, or an internal error of the server.
    Failed(anyhow::Error),
    /// An invalid combination of arguments that the parser cannot detect.
    Usage(String),
    /// The API rejected the request, or the resource does not exist. The text is the API's own.
    Refused(String),
    /// The awaited run failed or was cancelled. The outcome is already printed.
    RunEnded,
    /// The API cannot be reached, a proxy does not reach it, or a response was cut off.
    Unreachable(String),
    /// The API cannot serve the request at the moment (503), or not for this API key or address (429).
    Unavailable(String),
}

impl CliError {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) | Self::Unavailable(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::RunEnded => 4,
            Self::Unreachable(_) => 5,
        })
    }

    /// The error of a response that ended too early. `what` names it.
    pub(crate) fn cut_off(what: &str) -> Self {
        Self::Unreachable(format!(
            "{what} was cut off: the response ended without its end mark, so it is not complete; try again (behind a proxy, see \
             docs/PROXIES.md; a server of an older version sends no end mark)"
        ))
    }

    /// Whether another attempt may succeed.
    pub(crate) const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unavailable(_))
    }

    /// What failed; empty if that is already printed.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Failed(error) => format_chain(error),
            Self::Usage(text) | Self::Refused(text) | Self::Unreachable(text) | Self::Unavailable(text) => text.clone(),
            Self::RunEnded => String::new(),
        }
    }

    /// Prints the error to standard error.
    pub(crate) fn print(&self) {
        if !matches!(self, Self::RunEnded) {
            print_message(&format!("error: {}", self.text()));
        }
    }
}

/// The error and its causes. Some libraries repeat the cause in their own message; it is printed once.
fn format_chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_causes_are_printed_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("database: {0}")]
        struct Repeats(#[source] std::io::Error);
        let error = anyhow::Error::new(Repeats(std::io::Error::other("refused"))).context("cannot start");
        assert_eq!(format_chain(&error), "cannot start: database: refused");
    }
}
