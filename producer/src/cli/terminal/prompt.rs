//! Confirmation prompts.

use std::io::{self, Write as _};

use crate::cli::terminal::output::escape_lines;

/// Asks a yes-or-no question on standard error. Anything but `y` or `yes` means no.
pub(crate) fn confirm(question: &str) -> io::Result<bool> {
    eprint!("{} [y/N] ", escape_lines(question));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
