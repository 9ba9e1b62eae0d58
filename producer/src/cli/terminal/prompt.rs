//! Confirmation prompts, and secrets typed without echo.

use std::io::{self, IsTerminal as _, Write as _};

use console::Term;

use crate::cli::terminal::output::escape_lines;

/// Asks a yes-or-no question on standard error. Anything but `y` or `yes` means no.
pub(crate) fn confirm(question: &str) -> io::Result<bool> {
    eprint!("{} [y/N] ", escape_lines(question));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Reads a secret: typed without echo on a terminal, else all of standard input.
pub(crate) fn read_secret(prompt: &str) -> io::Result<String> {
    if !io::stdin().is_terminal() {
        return io::read_to_string(io::stdin());
    }
    eprint!("{}: ", escape_lines(prompt));
    io::stderr().flush()?;
    Term::stderr().read_secure_line()
}
