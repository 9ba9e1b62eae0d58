//! The pager, for texts that are longer than the terminal.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::cli::terminal::settings::Settings;

/// Shows a text in the pager. Returns whether it was shown: a pager that cannot be started is no error.
pub(super) fn page(text: &str, settings: &Settings) -> bool {
    let Some(lines) = settings.pager_lines else { return false };
    // one line for the prompt that follows
    if text.lines().count() < lines {
        return false;
    }
    // a shell, because PAGER may have arguments and quotes, as for git and man
    let pager = Command::new("sh").arg("-c").arg(&settings.pager).stdin(Stdio::piped()).spawn();
    let Ok(mut pager) = pager else { return false };
    if let Some(mut input) = pager.stdin.take() {
        // the reader may quit before the end
        let _ = input.write_all(text.as_bytes()).and_then(|()| input.write_all(b"\n"));
    }
    // the shell reports a command that does not exist with these codes, before it showed anything
    !matches!(pager.wait().map(|status| status.code()), Err(_) | Ok(Some(126 | 127)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_texts_are_paged_and_a_missing_pager_is_no_error() {
        let settings = |pager: &str| Settings { pager_lines: Some(3), pager: pager.to_owned(), ..Settings::default() };
        assert!(!page("1\n2", &settings("cat >/dev/null")));
        assert!(page("1\n2\n3", &settings("cat >/dev/null")));
        assert!(!page("1\n2\n3", &settings("no-such-pager-here 2>/dev/null")));
        assert!(!page("1\n2\n3", &Settings::default()));
    }
}
