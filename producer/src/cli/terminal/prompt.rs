//! Confirmation prompts.

use std::io::{self, Write as _};

/// Asks a yes-or-no question on standard error. Anything but `y` or `yes` means no.
pub(crate) fn confirm(question: &str) -> io::Result<bool> {
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
