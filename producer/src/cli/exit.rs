//! How a command ends badly: one exit code per kind of failure, as the help promises.

use std::process::ExitCode;

/// Why a command ended badly.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Something failed here.
    Failed(anyhow::Error),
    /// The command line is wrong in a way that the parser cannot see.
    Usage(String),
    /// The API refused, or there is no such thing. The text is the API's own.
    Refused(String),
    /// The run that was waited for did not succeed; what there is to say has been printed.
    RunEnded,
    /// The API cannot be reached.
    Unreachable(String),
}

impl CliError {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::RunEnded => 4,
            Self::Unreachable(_) => 5,
        })
    }

    /// Says it on standard error.
    pub(crate) fn print(&self) {
        match self {
            Self::Failed(error) => eprintln!("error: {}", in_words(error)),
            Self::Usage(text) | Self::Refused(text) | Self::Unreachable(text) => eprintln!("error: {text}"),
            Self::RunEnded => {}
        }
    }
}

/// The error and its causes. Some libraries repeat the cause in their own text: it is said once.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.ends_with(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
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
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("database: {0}")]
        struct Repeats(#[source] std::io::Error);
        let error = anyhow::Error::new(Repeats(std::io::Error::other("refused"))).context("cannot start");
        assert_eq!(in_words(&error), "cannot start: database: refused");
    }
}
