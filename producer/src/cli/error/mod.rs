//! Command failures and their exit codes, as documented in `--help`.

pub(crate) mod rejection;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::error::rejection::{Rejection, last_rejection};
use crate::cli::terminal::{Output, print_message};

/// Exit code after Ctrl-C, as shells report it.
const INTERRUPTED: u8 = 130;

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
    /// Migrations are pending. They are already printed.
    MigrationsPending,
    /// Ctrl-C ended the wait. What goes on is already printed.
    Interrupted,
    /// The API cannot be reached, a proxy does not reach it, or a response was cut off.
    Unreachable(String),
    /// The API cannot serve the request at the moment (503), or not for this API key or address (429).
    Unavailable(String),
}

impl CliError {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit_code())
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Unavailable(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::RunEnded => 4,
            Self::Unreachable(_) => 5,
            Self::MigrationsPending => 6,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// Name of the kind of error, for programs; the code of the API is more precise.
    const fn name(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::Usage(_) => "usage",
            Self::Refused(_) => "refused",
            Self::RunEnded => "run_not_succeeded",
            Self::Unreachable(_) => "unreachable",
            Self::Unavailable(_) => "unavailable",
            Self::MigrationsPending => "migrations_pending",
            Self::Interrupted => "interrupted",
        }
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

    /// Prints the error to standard error: as text for people, else as one line of JSON.
    pub(crate) fn print(&self, output: Output) {
        if output.is_text() {
            if let Some(message) = self.message() {
                print_message(&format!("error: {message}"));
            }
            return;
        }
        print_message(&self.to_json(last_rejection()).to_string());
    }

    /// The message; empty if everything is already printed.
    pub(crate) fn text(&self) -> String {
        self.message().unwrap_or_default()
    }

    /// The message; `None` = everything is already printed.
    fn message(&self) -> Option<String> {
        match self {
            Self::Failed(error) => Some(format_chain(error)),
            Self::Usage(text) | Self::Refused(text) | Self::Unreachable(text) | Self::Unavailable(text) => Some(text.clone()),
            Self::RunEnded | Self::MigrationsPending | Self::Interrupted => None,
        }
    }

    /// The error for programs. `rejection` is the last rejected request; it is used only if this error reports it.
    fn to_json(&self, rejection: Option<Rejection>) -> Value {
        let message = self.message().unwrap_or_default();
        let rejection = rejection.filter(|rejection| message.contains(&rejection.message)).unwrap_or_default();
        let code = rejection.code.unwrap_or_else(|| self.name().to_owned());
        let status = Some(rejection.status).filter(|status| *status > 0);
        json!({ "error": {
            "code": code, "message": message, "exit_code": self.exit_code(), "status": status, "request_id": rejection.request_id
        } })
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

    #[test]
    fn programs_get_the_code_of_the_api_only_for_its_own_error() {
        let rejection = Rejection {
            status: 404,
            code: Some("not_found".to_owned()),
            message: "run x not found (not_found)".to_owned(),
            request_id: Some("r".to_owned()),
        };
        let refused = CliError::Refused(rejection.message.clone()).to_json(Some(rejection.clone()));
        let expected = json!({ "error": {
            "code": "not_found", "message": "run x not found (not_found)", "exit_code": 3, "status": 404, "request_id": "r"
        } });
        assert_eq!(refused, expected);
        let usage = CliError::Usage("no".to_owned()).to_json(Some(rejection));
        assert_eq!((&usage["error"]["code"], &usage["error"]["status"]), (&json!("usage"), &Value::Null));
    }
}
